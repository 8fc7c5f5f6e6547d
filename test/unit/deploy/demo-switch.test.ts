import { expect, test } from 'vitest'
import { LineEditor } from '../../../deploy/demo/machines/line-editor.ts'
import { makeSwitch } from '../../../deploy/demo/machines/switch.ts'
import { prompts } from '../../../recorder/broker/ssh/elevation-prompt.ts'

const secret = 'enable-secret-48151'

/** A shell on the old switch, with what it has shown so far. */
function open() {
  const machine = makeSwitch('switch-7', (text) => text === secret)
  let shown = ''
  const ports = { write: (text: string) => (shown += text), end: () => undefined }
  const editor = new LineEditor(machine, { login: 'manager', isPrivileged: false }, ports)
  const type = (text: string): string => {
    shown = ''
    editor.type(Buffer.from(text))
    return shown
  }
  return { machine, type }
}

test('its ports are changed after enable alone, whose secret is not shown', () => {
  const { machine, type } = open()
  expect(type('interface fe0/4 shutdown\r')).toMatch(/% enable first\r\nswitch-7> $/)
  expect(type('enable\r')).toMatch(/\r\nPassword: $/)
  expect(type('x\x7f')).toBe('')
  expect(type(`${secret}\r`)).toBe('\r\nswitch-7# ')
  expect(type('interface fe0/4 description spare\r')).not.toContain('%')
  expect(type('show interfaces\r')).toContain('spare')
  expect(type('show logging\r')).toContain('ENABLE: enabled by manager')
  // The arrow up brings commands back, and no secret.
  for (const _ of [1, 2, 3, 4, 5, 6, 7]) expect(type('\x1b[A')).not.toContain(secret)
  expect(type('\x15disable\r')).toMatch(/switch-7> $/)
  // Another shell begins without it.
  expect(machine.run('interface fe0/4 shutdown', { login: 'manager', isPrivileged: false }).code).not.toBe(0)
})

test('a wrong secret and one that is given up enable nothing', () => {
  const { type } = open()
  type('enable\r')
  expect(type('wrong\r')).toBe('\r\n% Access denied\r\nswitch-7> ')
  type('enable\r')
  // Neither the history nor a fresh screen shows anything of it.
  expect(type(`half-of-${secret}\x1b[A\x0c`)).not.toContain(secret)
  expect(type('\x03')).toMatch(/switch-7> $/)
  expect(type('interface fe0/4 shutdown\r')).toContain('% enable first')
  expect(type('show logging\r')).toContain('ENABLE: refused to manager')
})

test('its prompt is one at which the secret is typed', () => {
  const { type } = open()
  const lines = `switch-7> ${type('enable\r')}`.split('\r\n')
  expect(lines.at(-1)).toMatch(prompts.enable.line)
  expect(lines.at(-2)).toMatch(prompts.enable.above ?? /$^/)
})
