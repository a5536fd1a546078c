### What mails say, in English: the reference of every other language.
###
### A mail has a subject, an opening and a closing; between these stands the link, if it has one, under a
### button with its action. $service is the service's name, $support whom to contact, $life how long the
### link works: one of the texts at the end.

## Notices

account-deleted-subject = Your { $service } account was deleted
account-deleted-opening = Your { $service } account and what it held were just deleted.
account-deleted-closing = If it was not you, contact { $support }.

account-exists-subject = Your { $service } account is there already
account-exists-opening = Somebody tried to sign up to { $service } with this address, which has an account.
account-exists-closing = If it was you, log in, or reset your password if you do not know it. If it was not you, ignore this mail: nothing has changed.

email-changed-subject = Your { $service } address was changed
email-changed-opening = Your { $service } account was just moved to another address.
email-changed-closing = If it was not you, contact { $support } at once: this address no longer opens the account.

password-changed-subject = Your { $service } password was changed
password-changed-opening = The password of your { $service } account was just changed.
password-changed-closing = If it was not you, somebody else knows your password or reads your mail: secure your mailbox first, then ask for a reset link and set another password.

## Mails with a link

confirm-new-email-subject = Confirm your new { $service } address
confirm-new-email-opening = Somebody asked to use this address for an account at { $service }.
confirm-new-email-action = Use this address
confirm-new-email-closing = The link works once and for { $life }. You will then log in with this address, anew on every device. If it was not you, ignore this mail: nothing has changed.

password-reset-subject = Reset your { $service } password
password-reset-opening = Somebody asked to reset the password of your { $service } account.
password-reset-action = Set a new password
password-reset-closing = The link works once and for { $life }; only the newest link works. If it was not you, ignore this mail: nothing has changed.

verify-email-subject = Confirm your { $service } address
verify-email-opening = Somebody signed up to { $service } with this address.
verify-email-action = Confirm the address
verify-email-closing = The link works for { $life }. If it was not you, do not use it: you would confirm an account whose password somebody else knows.

## Parts of several mails

# Under the button, above the bare link.
link-in-full = If the button does not work, open this address:

# $support, where the service names nobody to contact.
support-unnamed = the people who run { $service }

# $life, in whole hours or else in minutes.
life-hours = { $hours ->
    [one] { $hours } hour
   *[other] { $hours } hours
}
life-minutes = { $minutes ->
    [one] { $minutes } minute
   *[other] { $minutes } minutes
}
