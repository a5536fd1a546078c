### What mails say, in Korean. English is the reference, and says what the variables are.

## Notices

account-deleted-subject = { $service } 계정이 삭제되었습니다
account-deleted-opening = { $service } 계정과 계정에 저장된 정보가 방금 삭제되었습니다.
account-deleted-closing = 본인이 삭제하지 않았다면 { $support }(으)로 문의하세요.

account-exists-subject = { $service } 계정이 이미 있습니다
account-exists-opening = 이 이메일로 { $service } 회원가입이 시도되었으나, 이미 가입된 계정이 있습니다.
account-exists-closing = 본인이라면 로그인하시고, 비밀번호를 모르면 비밀번호를 재설정하세요. 본인이 아니라면 이 메일을 무시하세요. 변경된 내용은 없습니다.

email-changed-subject = { $service } 이메일이 변경되었습니다
email-changed-opening = { $service } 계정의 이메일이 방금 다른 주소로 변경되었습니다.
email-changed-closing = 본인이 변경하지 않았다면 즉시 { $support }(으)로 문의하세요. 이 주소로는 더 이상 계정에 접근할 수 없습니다.

password-changed-subject = { $service } 비밀번호가 변경되었습니다
password-changed-opening = { $service } 계정의 비밀번호가 방금 변경되었습니다.
password-changed-closing = 본인이 변경하지 않았다면 다른 사람이 비밀번호를 알거나 메일을 볼 수 있는 상태입니다. 먼저 메일 계정의 비밀번호부터 변경한 뒤, 비밀번호 재설정을 요청해 새 비밀번호를 설정하세요.

## Mails with a link

confirm-new-email-subject = { $service } 새 이메일 확인
confirm-new-email-opening = 이 이메일을 { $service } 계정에 사용해 달라는 요청이 있었습니다.
confirm-new-email-action = 이 이메일 사용
confirm-new-email-closing = 링크는 { $life } 동안 한 번만 사용할 수 있습니다. 이후에는 모든 기기에서 이 이메일로 다시 로그인합니다. 본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다.

password-reset-subject = { $service } 비밀번호 재설정
password-reset-opening = { $service } 계정의 비밀번호 재설정이 요청되었습니다.
password-reset-action = 새 비밀번호 설정
password-reset-closing = 링크는 { $life } 동안 한 번만 사용할 수 있으며, 가장 최근에 받은 링크만 유효합니다. 본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다.

verify-email-subject = { $service } 이메일 확인
verify-email-opening = 이 이메일로 { $service } 가입이 요청되었습니다.
verify-email-action = 이메일 확인
verify-email-closing = 링크는 { $life } 동안 사용할 수 있습니다. 본인이 가입하지 않았다면 링크를 사용하지 마세요. 다른 사람이 비밀번호를 알고 있는 계정이 인증됩니다.

## Parts of several mails

link-in-full = 버튼이 작동하지 않으면 다음 주소를 여세요:

support-unnamed = { $service } 운영팀

life-hours = { $hours }시간
life-minutes = { $minutes }분
