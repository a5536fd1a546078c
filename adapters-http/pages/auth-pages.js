// Enhancements alone: without this file the pages work.
'use strict';

// The token is in the form by now. In the address others would find it: in the history, on a shared screen. It is
// kept where a page that is loaded again, or gone back to, finds it.
const here = new URL(location.href);
const token = here.searchParams.get('token');
const kept = history.state?.token;
if (token) {
  here.searchParams.delete('token');
  history.replaceState({ token }, '', here);
} else if (kept && !document.querySelector('input[name=token]')) {
  history.replaceState(null, '', here);
  here.searchParams.set('token', kept);
  location.replace(here);
}

for (const button of document.querySelectorAll('button[data-reveals]')) {
  const field = document.getElementById(button.dataset.reveals);
  const words = { password: button.textContent, text: button.dataset.hide };
  const show = (type) => {
    field.type = type;
    button.textContent = words[type];
  };
  button.hidden = false;
  button.addEventListener('click', () => show(field.type === 'password' ? 'text' : 'password'));
  // Else the browser may keep what was typed, as it keeps other text.
  field.form.addEventListener('submit', () => show('password'));
}
