### What answers and pages say, in English: the reference of every other language.

## Answers

answer-account-deleted = Your account is deleted.
answer-email-changed = Your account has its new address. Log in with it.
answer-email-change-requested = A mail with a link is on its way to the new address.
answer-email-verified = Your address is confirmed.
answer-logged-in = You are logged in.
answer-logged-out = You are logged out.
answer-password-changed = Your new password is set. All other sessions are over.
answer-password-reset = Your new password is set. Log in with it.
answer-refreshed = Your session goes on.
answer-registered = Your account is made.
answer-registration-mailed = A mail is on its way to this address. Follow it to go on.
answer-reset-requested = If there is an account with this address, a mail with a link is on its way.
answer-sessions-ended = All sessions are over.
answer-session-ended = The session is over.
answer-verification-requested = If this address is to be confirmed, a mail with a link is on its way.

## Problems, by their code

problem-account-not-found = There is no such account.
problem-authorization-malformed = The Authorization header is malformed.
problem-body-not-object = The body is not a JSON object.
problem-body-too-large = The body is larger than 16 KiB.
problem-body-unreadable = The body could not be read to its end.
problem-conflict = The account was changed elsewhere at the same time. Try again.
problem-credentials-rejected = Email or password is wrong.
problem-cross-site-form = This form was sent from another site. Open the page again.
problem-email-invalid = The email address is not valid.
problem-email-taken = An account with this email address exists.
problem-email-unchanged = The account has this email address already.
problem-field-duplicate = A field is given twice.
problem-field-missing = A required field is missing.
problem-field-unknown = The body has a field that is not known here.
problem-field-wrong-type = A field is not a string.
problem-form-unreadable = The form could not be read. Open the page again.
problem-internal-error = Something went wrong on our side.
problem-link-invalid = The link is not valid or no longer valid.
problem-malformed-json = The body is not valid JSON.
problem-method-not-allowed = This method is not allowed here.
problem-name-invalid = The name is empty, too long or has characters that cannot be shown.
problem-not-found = There is nothing here.
problem-overloaded = The server is busy. Try again in a moment.
problem-password-breached = This password is in a list of leaked passwords, which attackers try first. Choose another.
problem-password-common = This password is one of the first that are guessed. Choose another.
problem-password-context-word = The password must not be your name, your address or the name of the service.
problem-password-control-character = The password has a control character.
problem-password-empty = The password is empty.
problem-password-forbidden-character = The password has a character that is invisible or cannot be typed on every device.
problem-password-too-long = The password is too long.
problem-password-too-short = The password is too short.
problem-password-wrong = The current password is wrong.
problem-rate-limited = Too many requests. Try again later.
problem-recent-login-needed = Give the current password, or log in again first.
problem-refresh-token-invalid = The session is over. Log in again.
problem-request-timeout = The body took too long to arrive.
problem-reset-token-invalid = The link is not valid or no longer valid. Ask for a new one.
problem-session-not-found = There is no such session.
problem-timeout = The server took too long. Try again in a moment.
problem-token-invalid = The access token is not valid or no longer valid.
problem-token-missing = An access token is needed.
problem-too-many-attempts = Too many attempts. Wait a while, or reset the password.
problem-unavailable = The service is not available. Try again in a moment.
problem-unsupported-media-type = The body must be application/json in UTF-8, not compressed.

## Pages

page-language = Language
page-language-name = English
page-error = Error:
page-email = Email address
page-new-password = New password
page-new-password-hint = Long is strong: a few words that only you would put together.
page-show-password = Show password
page-hide-password = Hide password
page-at-least = It must have at least { $limit } characters.
page-at-most = It may have at most { $limit } characters.
page-log-in = Log in
page-no-link = The link is not whole. Open it again from your mail.
page-ask-again = Ask for a new link
page-done-title = Done
page-failed-title = This did not work
page-forgot-title = Forgot your password?
page-forgot-lead = Enter your email address, and we send you a link to set a new password.
page-forgot-submit = Send the link
page-reset-title = Set a new password
page-reset-submit = Set the password
page-verify-title = Confirm your address
page-verify-lead = Press the button if it was you who signed up to { $service } with this address:
page-verify-submit = Confirm the address
page-confirm-title = Use this address
page-confirm-lead = Press the button to move your { $service } account to this address, and then log in anew on every device:
page-confirm-submit = Use this address
