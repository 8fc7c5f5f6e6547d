/** What programs call a password in the languages that they ask in, for a regular expression. */
export const passwordWords =
  'Password|Passwort|Kennwort|Mot de passe|Contraseña|Senha|Palavra-passe|Parola|Hasło|Heslo|Wachtwoord|Lösenord|' +
  'Passord|Adgangskode|Salasana|Jelszó|Пароль|Şifre|密码|密碼|パスワード|암호'

/** Further ones that are told from other words only where nothing but a question is looked at. */
const asked = new RegExp(
  `${passwordWords}|Passwd|Passphrase|Parolă|Geslo|Lozinka|Zaporka|Kodeord|Contrasenya|Slaptažodis|Parole|Parool|` +
    'Парола|Лозинка|Κωδικός πρόσβασης|Συνθηματικό|סיסמ|كلمة المرور|گذرواژه|Mật khẩu|รหัสผ่าน|Kata sandi|口令|비밀번호',
  'iu',
)

/**
 * What is asked where a password is not: something that is good once, or of another device, or that does not exist yet.
 * Words of the languages that login programs are translated to.
 */
const other =
  /\b(?:one[- ]?time|OTP|TOTP|token|passcode|PIN|code|second|next|temporary|challenge|response)\b|einmal|unique|usage unique/iu
const change =
  /\b(?:new|re-?type|re-?enter|again|confirm|repeat|current|old|change[ds]?|expired)\b|neue[rs]?\b|erneut|aktuelle|derzeitige|altes|geändert|abgelaufen|nouveau|actuel|ancien|expiré|nueva|actual\b|caducad|nuova|attuale|scadut|nova\b|atual\b|expirou|новый|текущий|старый|新|旧|現在|새|nowe|obecne|nieuw|huidig/iu

export type Question = { readonly prompt?: string; readonly echo?: boolean }

/** What a machine asks for in one round of keyboard-interactive (RFC 4256 §3.2). */
export type Asked = 'nothing' | 'password' | 'password change' | 'something else'

/**
 * Judges a round of questions.
 *
 * SECURITY: only a single question without echo that asks for a password is one for the stored password. A question
 * in words that are not known is something else.
 */
export function whatIsAsked(login: string, instructions: string, questions: readonly Question[]): Asked {
  const [only] = questions
  if (only === undefined) return 'nothing'
  // A hostile machine asks as often and at such length as it likes; names in the question are no words of it.
  const texts = questions.slice(0, 8).map(({ prompt = '' }) =>
    prompt
      .slice(0, 500)
      .replaceAll(/\S*@\S*/g, '')
      .replaceAll(login, ''),
  )
  if (texts.some((text) => asked.test(text) && change.test(text))) return 'password change'
  if (questions.length > 1 || only.echo === true) return 'something else'
  const [text = ''] = texts
  if (!asked.test(text) || other.test(text)) return 'something else'
  return isChangeDemanded(instructions) ? 'password change' : 'password'
}

/** Does a machine say that the password has to be changed before anything else? */
export function isChangeDemanded(text: string): boolean {
  return (
    /(?:required|must|need|have) to change your password|must change your password|password (?:has|is) expired|change your password now/iu.test(
      text.slice(0, 4_000),
    ) ||
    /Kennwort (?:muss|ist abgelaufen)|Passwort (?:muss|ist abgelaufen)|Sie müssen Ihr (?:Kennwort|Passwort)|devez changer (?:votre|de) mot de passe|debe cambiar su contraseña/iu.test(
      text.slice(0, 4_000),
    )
  )
}
