import { describe, expect, test } from 'vitest'
import { isChangeDemanded, whatIsAsked } from '../../../vault/ssh/password-words.ts'

const hidden = (...prompts: string[]) => prompts.map((prompt) => ({ prompt, echo: false }))
const asked = (prompt: string, instructions = '') => whatIsAsked('tech', instructions, hidden(prompt))

describe('what a machine asks for', () => {
  test.each([
    'Password:',
    'Password: ',
    'password for tech@press-3:',
    "tech@new-plc's password: ",
    '(tech@old-switch) Password for tech: ',
    'UNIX password:',
    'User password: ',
    'Passwort: ',
    'Kennwort für tech: ',
    'Mot de passe : ',
    'Contraseña: ',
    'Hasło: ',
    'Пароль: ',
    '密码：',
    'パスワード:',
    '암호: ',
    'Şifre: ',
    'Passphrase:',
  ])('%j is asked for the password', (prompt) => {
    expect(asked(prompt)).toBe('password')
  })

  test.each([
    'Passcode:',
    'Enter PASSCODE: ',
    'PIN:',
    'Verification code: ',
    'One-time password (OATH) for `tech`: ',
    'One time password: ',
    'Token: ',
    'Password and token code: ',
    'Einmalpasswort: ',
    'Mot de passe unique : ',
    'Answer: ',
    '',
    'Login:',
    'Press any key',
    'S/Key 97 fw13894 challenge, password:',
  ])('%j is something else', (prompt) => {
    expect(asked(prompt)).toBe('something else')
  })

  test.each([
    'New password: ',
    'Current password: ',
    '(current) UNIX password: ',
    'Old Password:',
    'Retype new password: ',
    'Neues Passwort: ',
    'Nouveau mot de passe : ',
    'Nueva contraseña: ',
    'Новый пароль: ',
    '新的密码：',
    'Confirm password:',
  ])('%j belongs to a change of the password', (prompt) => {
    expect(asked(prompt)).toBe('password change')
  })

  test('a password is not asked for where anything is shown, or more than one thing is asked', () => {
    expect(whatIsAsked('tech', '', [{ prompt: 'Password: ', echo: true }])).toBe('something else')
    expect(whatIsAsked('tech', '', hidden('Password: ', 'Domain: '))).toBe('something else')
    expect(whatIsAsked('tech', '', hidden('New password: ', 'Retype: '))).toBe('password change')
    expect(whatIsAsked('tech', '', [])).toBe('nothing')
    expect(asked('Password: ', 'You are required to change your password immediately')).toBe(
      'password change',
    )
  })

  test('a demand for a new password is told from a hint that one will be due', () => {
    expect(isChangeDemanded('WARNING: Your password has expired.')).toBe(true)
    expect(isChangeDemanded('You must change your password now and login again!')).toBe(true)
    expect(isChangeDemanded('Sie müssen Ihr Passwort sofort ändern')).toBe(true)
    expect(isChangeDemanded('Warning: your password will expire in 3 days')).toBe(false)
  })

  test('a question of any length is judged at once', () => {
    const began = performance.now()
    for (const piece of ['Password ', ' ', 'new', '@', 'usage ', 'ж'])
      whatIsAsked('tech', piece.repeat(200_000), hidden(piece.repeat(200_000)))
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})
