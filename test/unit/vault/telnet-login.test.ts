import { expect, test } from 'vitest'
import { TelnetLogin } from '../../../vault/telnet/login.ts'
import { TelnetStream } from '../../../vault/telnet/stream.ts'

const usual = () => new TelnetLogin({ user: undefined, password: undefined })
const says = (login: TelnetLogin, text: string) => login.hear(Buffer.from(text)).toString()

test('a name and a password are given once each, and then nothing more', () => {
  const login = usual()
  says(login, 'Debian 12\r\nplc-7 login: ')
  expect(login.quiet(false)).toBe('name')
  expect(login.quiet(false)).toBe('wait')
  says(login, 'operator\r\nPassword: ')
  expect(login.quiet(false)).toBe('password')
  says(login, '\r\n')
  expect(login.quiet(true)).toBe('wait')
  says(login, 'Last login: Mon\r\n$ ')
  expect(login.quiet(false)).toBe('in')
  for (const text of ['\r\nlogin: ', 'x\r\nPassword: ']) {
    says(login, text)
    expect(login.quiet(false)).toBe('wait')
    expect(login.quiet(true)).toBe('wait')
  }
})

test.each([
  ['asks for the name again', ['\r\nLogin incorrect\r\nplc-7 login: ']],
  ['asks for the password again', ['\r\nPassword: ']],
])('a machine that %s has refused', (_, then) => {
  const login = usual()
  says(login, 'login: ')
  login.quiet(false)
  says(login, '\r\nPassword:')
  expect(login.quiet(false)).toBe('password')
  for (const text of then) says(login, text)
  expect(login.quiet(false)).toBe('refused')
})

test('a name that is refused is not given again', () => {
  const login = usual()
  says(login, 'Username:')
  expect(login.quiet(false)).toBe('name')
  says(login, '\r\nno such user\r\nUsername:')
  expect(login.quiet(false)).toBe('refused')
})

test('what a machine makes of the password is shown to nobody, up to the end of its line', () => {
  const login = usual()
  expect(says(login, 'Password: ')).toBe('Password: ')
  expect(login.quiet(false)).toBe('password')
  expect(says(login, 'Kanar') + says(login, 'ie7\r\nwelcome\r\n')).toBe('\r\nwelcome\r\n')
  // It shows no prompt, and after a while is taken to have let in.
  expect(login.quiet(false)).toBe('wait')
  expect(login.quiet(true)).toBe('in')
})

test('a prompt is the end of a line, in whatever colour, and no pattern', () => {
  for (const text of ['Password: none is set', 'your login:\r\n', 'passwort: ', 'no.login: x']) {
    const login = usual()
    says(login, text)
    expect(login.quiet(false), text).toBe('wait')
  }
  const own = new TelnetLogin({ user: '.*', password: 'Kennwort>' })
  says(own, 'anything')
  expect(own.quiet(false)).toBe('wait')
  says(own, '\r\n\u001b[1;31mKENNWORT>\u001b[0m ')
  expect(own.quiet(false)).toBe('password')
})

test('commands are told from text however they are cut', () => {
  const bytes = [104, 255, 251, 1, 105, 255, 250, 24, 1, 255, 240, 255, 255, 106, 255, 241]
  const whole = new TelnetStream().push(Buffer.from(bytes))
  const join = (pieces: typeof whole) =>
    pieces.map(({ kind, bytes: all }) => `${kind === 'text' ? 't' : 'c'}${[...all].join()}`).join(' ')
  expect(join(whole)).toBe('t104 c255,251,1 t105 c255,250,24,1,255,240 t255,255 t106 c255,241')
  const stream = new TelnetStream()
  const cut = bytes.flatMap((byte) => stream.push(Buffer.from([byte])))
  expect(join(cut)).toBe(join(whole))
  expect(() =>
    new TelnetStream().push(Buffer.concat([Buffer.from([255, 250]), Buffer.alloc(5_000)])),
  ).toThrow('without end')
})
