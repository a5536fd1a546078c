### What answers and pages say, in Korean. English is the reference.

## Answers

answer-account-deleted = 계정이 삭제되었습니다.
answer-email-changed = 이메일이 변경되었습니다. 새 이메일로 로그인해 주세요.
answer-email-change-requested = 새 이메일로 확인 링크가 발송됩니다.
answer-email-verified = 이메일이 확인되었습니다.
answer-logged-in = 로그인되었습니다.
answer-logged-out = 로그아웃되었습니다.
answer-password-changed = 새 비밀번호가 설정되었습니다. 다른 세션은 모두 종료되었습니다.
answer-password-reset = 새 비밀번호가 설정되었습니다. 새 비밀번호로 로그인해 주세요.
answer-refreshed = 세션이 연장되었습니다.
answer-registered = 회원가입이 완료되었습니다.
answer-registration-mailed = 이 이메일로 메일이 발송됩니다. 메일의 안내를 따라 주세요.
answer-reset-requested = 가입된 이메일이라면 비밀번호 재설정 링크가 발송됩니다.
answer-sessions-ended = 모든 세션이 종료되었습니다.
answer-session-ended = 세션이 종료되었습니다.
answer-verification-requested = 확인이 필요한 이메일이라면 확인 링크가 발송됩니다.

## Problems, by their code

problem-account-not-found = 계정을 찾을 수 없습니다.
problem-authorization-malformed = Authorization 헤더 형식이 올바르지 않습니다.
problem-body-not-object = 요청 본문이 JSON 객체가 아닙니다.
problem-body-too-large = 요청 본문이 16 KiB를 초과합니다.
problem-body-unreadable = 요청 본문을 끝까지 읽을 수 없습니다.
problem-conflict = 다른 곳에서 계정이 동시에 변경되었습니다. 다시 시도해 주세요.
problem-credentials-rejected = 이메일 또는 비밀번호가 올바르지 않습니다.
problem-cross-site-form = 다른 사이트에서 전송된 양식입니다. 페이지를 다시 열어 주세요.
problem-email-invalid = 이메일 형식이 올바르지 않습니다.
problem-email-taken = 이미 가입된 이메일입니다.
problem-email-unchanged = 이미 사용 중인 이메일과 같습니다.
problem-field-duplicate = 같은 항목이 두 번 입력되었습니다.
problem-field-missing = 필수 항목이 누락되었습니다.
problem-field-unknown = 알 수 없는 항목이 있습니다.
problem-field-wrong-type = 항목의 형식이 올바르지 않습니다.
problem-form-unreadable = 양식을 읽을 수 없습니다. 페이지를 다시 열어 주세요.
problem-internal-error = 서버 내부 오류가 발생했습니다.
problem-link-invalid = 링크가 올바르지 않거나 만료되었습니다.
problem-malformed-json = 요청 본문이 올바른 JSON이 아닙니다.
problem-method-not-allowed = 허용되지 않는 요청 방식입니다.
problem-name-invalid = 이름이 비어 있거나 너무 길거나 사용할 수 없는 문자를 포함합니다.
problem-not-found = 요청한 주소를 찾을 수 없습니다.
problem-overloaded = 서버가 혼잡합니다. 잠시 후 다시 시도해 주세요.
problem-password-breached = 유출된 비밀번호 목록에 있어 공격자가 먼저 시도하는 비밀번호입니다. 다른 비밀번호를 사용하세요.
problem-password-common = 너무 흔한 비밀번호입니다. 다른 비밀번호를 사용하세요.
problem-password-context-word = 이름, 이메일 또는 서비스 이름은 비밀번호로 사용할 수 없습니다.
problem-password-control-character = 비밀번호에 제어 문자를 사용할 수 없습니다.
problem-password-empty = 비밀번호를 입력해 주세요.
problem-password-forbidden-character = 비밀번호에 보이지 않거나 일부 기기에서 입력할 수 없는 문자를 사용할 수 없습니다.
problem-password-too-long = 비밀번호가 너무 깁니다.
problem-password-too-short = 비밀번호가 너무 짧습니다.
problem-password-wrong = 현재 비밀번호가 올바르지 않습니다.
problem-rate-limited = 요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.
problem-recent-login-needed = 현재 비밀번호를 입력하거나 다시 로그인해 주세요.
problem-refresh-token-invalid = 세션이 만료되었습니다. 다시 로그인해 주세요.
problem-request-timeout = 요청 본문을 받는 데 시간이 너무 오래 걸렸습니다.
problem-reset-token-invalid = 링크가 올바르지 않거나 만료되었습니다. 다시 요청해 주세요.
problem-session-not-found = 세션을 찾을 수 없습니다.
problem-timeout = 서버 응답이 지연되고 있습니다. 잠시 후 다시 시도해 주세요.
problem-token-invalid = 인증 토큰이 올바르지 않거나 만료되었습니다.
problem-token-missing = 인증 토큰이 필요합니다.
problem-too-many-attempts = 시도 횟수가 너무 많습니다. 잠시 후 다시 시도하거나 비밀번호를 재설정해 주세요.
problem-unavailable = 서비스를 사용할 수 없습니다. 잠시 후 다시 시도해 주세요.
problem-unsupported-media-type = 요청 본문은 압축하지 않은 UTF-8 application/json이어야 합니다.

## Pages

page-language = 언어
page-language-name = 한국어
page-error = 오류:
page-email = 이메일
page-new-password = 새 비밀번호
page-new-password-hint = 길수록 안전합니다. 나만 떠올릴 수 있는 단어 몇 개를 이어 보세요.
page-show-password = 비밀번호 표시
page-hide-password = 비밀번호 숨기기
page-at-least = { $limit }자 이상이어야 합니다.
page-at-most = { $limit }자 이하여야 합니다.
page-log-in = 로그인
page-no-link = 링크가 완전하지 않습니다. 메일에서 링크를 다시 열어 주세요.
page-ask-again = 새 링크 요청
page-done-title = 완료
page-failed-title = 처리하지 못했습니다
page-forgot-title = 비밀번호를 잊으셨나요?
page-forgot-lead = 가입한 이메일을 입력하시면 새 비밀번호를 설정할 수 있는 링크를 보내 드립니다.
page-forgot-submit = 링크 보내기
page-reset-title = 새 비밀번호 설정
page-reset-submit = 비밀번호 설정
page-verify-title = 이메일 확인
page-verify-lead = 본인이 이 이메일로 { $service }에 가입했다면 버튼을 눌러 주세요.
page-verify-submit = 이메일 확인
page-confirm-title = 이 이메일 사용
page-confirm-lead = 버튼을 누르면 { $service } 계정의 이메일이 이 주소로 변경됩니다. 이후 모든 기기에서 다시 로그인해야 합니다.
page-confirm-submit = 이 이메일 사용
