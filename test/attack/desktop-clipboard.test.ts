import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ClipboardStream } from '../../recorder/broker/desktop/clipboard-stream.ts'
import type { Instruction } from '../../recorder/broker/desktop/instruction.ts'
import type { Action } from '../../vault/contract.ts'
import { openDesktopEnd, vncAccount } from '../support/desktop.ts'
import { until } from '../support/installation.ts'
import { type ScriptedGuacd, startScriptedGuacd } from '../support/scripted-guacd.ts'
import { made } from '../support/toy-desktop.ts'

/** Browsers and machines that want more of a desktop's clipboard than they may have, or files by its streams. */

const use = ['observe', 'interact'] as const satisfies readonly Action[]
const b64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')

describe('a stream of a clipboard', () => {
  const push = (stream: ClipboardStream, ...list: readonly Instruction[]) =>
    list.map((one) => stream.push(one, true)).at(-1)

  test.each([
    ['no number', ['x', 'text/plain']],
    ['a negative one', ['-1', 'text/plain']],
    ['one with zeros before it', ['007', 'text/plain']],
    ['a huge one', ['999999', 'text/plain']],
    ['no type', ['0']],
    ['more than a type', ['0', 'text/plain', 'x']],
  ])('that is begun with %s is none', (_, args) => {
    expect(push(new ClipboardStream(100), made('clipboard', ...args))).toEqual({ kind: 'other' })
  })

  test.each(['text/html', 'image/png', 'TEXT/PLAIN', 'text/plain;charset=utf-7', ''])(
    'of %s is refused',
    (type) => {
      expect(push(new ClipboardStream(100), made('clipboard', '0', type))).toMatchObject({
        kind: 'refused',
        status: 0x30f,
      })
    },
  )

  test.each(['AAA', 'AA=A', 'A===', 'AAAA=', 'AA AA', '-_-_', 'žžžž', 'AAAA\n', '😀AAA'])(
    'with a piece %j is refused, and its rest is nobody’s',
    (piece) => {
      const stream = new ClipboardStream(100)
      push(stream, made('clipboard', '0', 'text/plain'))
      expect(push(stream, made('blob', '0', piece))).toMatchObject({ kind: 'refused', status: 0x300 })
      expect(push(stream, made('blob', '0', 'AAAA'))).toEqual({ kind: 'other' })
      expect(push(stream, made('end', '0'))).toEqual({ kind: 'other' })
    },
  )

  test('takes characters that are split between two pieces, at every byte, and none that are not whole', () => {
    const text = Buffer.from('až€😀')
    for (let at = 0; at <= text.length; at += 1) {
      const stream = new ClipboardStream(100)
      push(stream, made('clipboard', '0', 'text/plain'))
      push(stream, made('blob', '0', b64(text.subarray(0, at))), made('blob', '0', b64(text.subarray(at))))
      expect(push(stream, made('end', '0'))).toEqual({ kind: 'whole', stream: '0', bytes: text })
      push(stream, made('clipboard', '0', 'text/plain'), made('blob', '0', b64(text.subarray(0, at))))
      const isWhole = [0, 1, 3, 6, 10].includes(at)
      expect(push(stream, made('end', '0'))?.kind).toBe(isWhole ? 'whole' : 'refused')
    }
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      const stream = new ClipboardStream(100)
      push(stream, made('clipboard', '0', 'text/plain'), made('blob', '0', b64(Uint8Array.from(bytes))))
      expect(push(stream, made('end', '0'))).toMatchObject({ kind: 'refused', status: 0x300 })
    }
  })

  test('that is begun again holds nothing of before; a second beside it is refused', () => {
    const stream = new ClipboardStream(100)
    push(stream, made('clipboard', '0', 'text/plain'), made('blob', '0', b64('old')))
    push(stream, made('clipboard', '0', 'text/plain'), made('blob', '0', b64('new')))
    expect(push(stream, made('clipboard', '1', 'text/plain'))).toMatchObject({
      kind: 'refused',
      status: 0x31d,
    })
    expect(push(stream, made('blob', '1', b64('x')))).toEqual({ kind: 'other' })
    expect(push(stream, made('end', '0'))).toMatchObject({ bytes: Buffer.from('new') })
    expect(push(stream, made('blob', '0', b64('late')))).toEqual({ kind: 'other' })
    expect(push(stream, made('end', '0'))).toEqual({ kind: 'other' })
  })

  test('holds no more than it may, however small its pieces', () => {
    const stream = new ClipboardStream(10)
    push(stream, made('clipboard', '0', 'text/plain'))
    for (let count = 0; count < 10; count += 1)
      expect(push(stream, made('blob', '0', b64('x')))?.kind).toBe('more')
    expect(push(stream, made('blob', '0', b64('x')))).toMatchObject({ kind: 'refused', status: 0x30d })
  })
})

describe('between a hostile browser and a hostile guacd', () => {
  let guacd: ScriptedGuacd
  const grants = {
    both: [...use, 'clipboard-in', 'clipboard-out'],
    in: [...use, 'clipboard-in'],
    out: [...use, 'clipboard-out'],
    none: use,
    look: ['observe', 'clipboard-in', 'clipboard-out'],
  } as const satisfies Readonly<Record<string, readonly Action[]>>
  const asks = [
    ...['hostname', 'port', 'password', 'read-only', 'disable-copy', 'disable-paste'],
    ...['enable-drive', 'drive-path', 'create-drive-path', 'disable-upload', 'disable-download'],
    ...['enable-sftp', 'sftp-hostname', 'sftp-disable-upload', 'sftp-disable-download', 'enable-printing'],
    ...['recording-path', 'typescript-path'],
  ]
  beforeAll(async () => {
    guacd = await startScriptedGuacd(asks)
    for (const [target, actions] of Object.entries(grants))
      guacd.gateway.vault.accounts.push(vncAccount({ port: 5900, password: 'Kanarie7' }, { target, actions }))
  })
  afterAll(() => guacd?.[Symbol.asyncDispose]())

  const open = async (target: keyof typeof grants) => {
    const end = await openDesktopEnd(guacd.gateway, target, 'operator')
    await end.see('sync')
    return {
      ...end,
      /** Both ends have done with all that either sent before. */
      settle: async () => {
        const time = String(2 + Math.floor(Math.random() * 1e9))
        end.send('sync', time)
        await until(
          () => guacd.heard().some(({ opcode, args }) => opcode === 'sync' && args[0] === time) || undefined,
          20_000,
        )
        guacd.say('sync', time)
        await until(
          () => end.shown.some(({ opcode, args }) => opcode === 'sync' && args[0] === time) || undefined,
          20_000,
        )
      },
      leave: async () => {
        end.live.say({ kind: 'leave' })
        await end.live.hear('ended')
      },
    }
  }
  const ofStreams = (list: readonly Instruction[]) =>
    list
      .filter(({ opcode }) => !['size', 'sync', 'nop', 'key', 'mouse', 'disconnect', ''].includes(opcode))
      .map(({ opcode, args }) => [opcode, ...args].join(' '))

  test.each([
    ['both', { 'disable-copy': '', 'disable-paste': '', 'read-only': '' }],
    ['in', { 'disable-copy': 'true', 'disable-paste': '' }],
    ['out', { 'disable-copy': '', 'disable-paste': 'true' }],
    ['none', { 'disable-copy': 'true', 'disable-paste': 'true' }],
    ['look', { 'disable-copy': 'true', 'disable-paste': 'true', 'read-only': 'true' }],
  ] as const)(
    'guacd itself is barred from what a grant of %s does not allow, and from files',
    async (grant, barred) => {
      const end = await open(grant)
      expect(guacd.parameters()).toMatchObject(barred)
      expect(guacd.parameters()).toMatchObject({
        ...{ 'enable-drive': '', 'drive-path': '', 'create-drive-path': '', 'enable-sftp': '' },
        ...{ 'disable-upload': 'true', 'disable-download': 'true', 'enable-printing': '' },
        ...{ 'sftp-hostname': '', 'recording-path': '', 'typescript-path': '' },
      })
      await end.leave()
    },
  )

  test.each(['out', 'none', 'look'] as const)(
    'a browser with a grant of %s puts nothing there',
    async (grant) => {
      const end = await open(grant)
      end.send('clipboard', 3, 'text/plain')
      end.send('blob', 3, b64('not mine to put'))
      end.send('end', 3)
      await end.settle()
      expect(ofStreams(guacd.heard())).toEqual([])
      expect(ofStreams(end.shown)).toEqual(['ack 3 REFUSED 771'])
      await end.leave()
    },
  )

  test.each(['in', 'none', 'look'] as const)(
    'a machine gives a browser with a grant of %s nothing',
    async (grant) => {
      const end = await open(grant)
      guacd.say('clipboard', 7, 'text/plain')
      guacd.say('blob', 7, b64('unasked'))
      guacd.say('end', 7)
      await end.settle()
      expect(ofStreams(end.shown)).toEqual([])
      expect(ofStreams(guacd.heard())).toEqual(['ack 7 REFUSED 771'])
      await end.leave()
    },
  )

  test('files and every other stream go neither way, and nobody waits for them', async () => {
    const end = await open('both')
    const name = '../../../../etc/cron.d/evil'
    const fromUser = [
      ['file', 1, 'application/octet-stream', name],
      ['pipe', 2, 'text/plain', 'x'],
      ['argv', 3, 'text/plain', 'password'],
      ['audio', 4, 'audio/L16'],
      ['put', 0, 5, 'application/octet-stream', `/${name}`],
    ] as const
    for (const [opcode, ...args] of fromUser) end.send(opcode, ...args)
    for (const [opcode, ...args] of [
      ['get', 0, '/'],
      ['blob', 1, b64('x')],
      ['end', 1],
      ['undefine', 0],
    ] as const)
      end.send(opcode, ...args)
    guacd.say('filesystem', 0, 'Shared Drive')
    guacd.say('file', 11, 'application/octet-stream', name)
    guacd.say('blob', 11, b64('x'))
    guacd.say('end', 11)
    guacd.say('body', 0, 13, 'application/vnd.glyptodon.guacamole.stream-index+json', '/')
    guacd.say('pipe', 15, 'text/plain', 'x')
    guacd.say('undefine', 0)
    await end.settle()
    expect(ofStreams(end.shown)).toEqual([1, 2, 3, 4, 5].map((stream) => `ack ${stream} REFUSED 771`))
    expect(ofStreams(guacd.heard())).toEqual([11, 13, 15].map((stream) => `ack ${stream} REFUSED 771`))
    await end.leave()
  })

  test('a text that is too long never reaches the machine, not even its beginning', async () => {
    const end = await open('both')
    const piece = b64('x'.repeat(16 * 1024))
    end.send('clipboard', 0, 'text/plain')
    for (let count = 0; count < 17; count += 1) {
      end.send('blob', 0, piece)
      await until(() => end.taken() === end.sent() || undefined, 10_000)
    }
    end.send('end', 0)
    await end.settle()
    expect(ofStreams(guacd.heard())).toEqual([])
    expect(ofStreams(end.shown)).toEqual(['ack 0 REFUSED 781'])
    await end.leave()
  })

  test('a machine that pushes 10 MB, or what is no text, gives the browser nothing of it', async () => {
    const end = await open('both')
    guacd.say('clipboard', 9, 'text/plain')
    for (let count = 0; count < 1_000; count += 1) guacd.say('blob', 9, b64('x'.repeat(10_000)))
    guacd.say('end', 9)
    guacd.say('clipboard', 9, 'text/html')
    guacd.say('blob', 9, b64('<script>alert(1)</script>'))
    guacd.say('end', 9)
    guacd.say('clipboard', 9, 'text/plain')
    guacd.say('blob', 9, b64(Uint8Array.from([0x61, 0xf0, 0x9f, 0x98])))
    guacd.say('end', 9)
    await end.settle()
    expect(ofStreams(end.shown)).toEqual([])
    expect(ofStreams(guacd.heard())).toEqual(['ack 9 REFUSED 781', 'ack 9 REFUSED 783', 'ack 9 REFUSED 768'])
    await end.leave()
  })

  test('a picture’s stream is never a clipboard’s, nor the other way round', async () => {
    const end = await open('both')
    guacd.say('img', 5, 14, 0, 'image/png', 0, 0)
    guacd.say('clipboard', 5, 'text/plain')
    guacd.say('blob', 5, 'AAAA')
    guacd.say('end', 5)
    guacd.say('clipboard', 6, 'text/plain')
    guacd.say('blob', 6, b64('half a text'))
    guacd.say('img', 6, 14, 0, 'image/png', 0, 0)
    guacd.say('blob', 6, 'BBBB')
    guacd.say('end', 6)
    await end.settle()
    expect(ofStreams(end.shown)).toEqual([
      ...['img 5 14 0 image/png 0 0', 'blob 5 AAAA', 'end 5'],
      ...['img 6 14 0 image/png 0 0', 'blob 6 BBBB', 'end 6'],
    ])
    await end.leave()
  })

  test('what comes is spelled anew: in one stream of the gateway’s own, words of nobody else in it', async () => {
    const end = await open('both')
    const text = 'ž\u0000\u001b]0;x\u0007\u202e<b>😀'
    guacd.say('clipboard', 99, 'text/plain')
    for (const byte of Buffer.from(text)) guacd.say('blob', 99, b64(Uint8Array.of(byte)))
    guacd.say('end', 99)
    await end.see('clipboard')
    await end.settle()
    expect(ofStreams(end.shown)).toEqual(['clipboard 1024 text/plain', `blob 1024 ${b64(text)}`, 'end 1024'])
    end.send('clipboard', 42, 'text/plain')
    end.send('blob', 42, b64(text))
    end.send('blob', 42, '')
    end.send('end', 42)
    end.send('blob', 42, b64('after its end'))
    await end.settle()
    expect(ofStreams(guacd.heard())).toEqual([
      'ack 99 OK 0',
      ...['clipboard 0 text/plain', `blob 0 ${b64(text)}`, 'end 0'],
    ])
    await end.leave()
  })

  test('a machine that copies without end fills neither the recording nor the log, nor what it is refused', async () => {
    const end = await open('both')
    for (let count = 0; count < 3_000; count += 1) {
      guacd.say('clipboard', 9, 'text/plain')
      guacd.say('blob', 9, b64(`copied ${count}`))
      guacd.say('end', 9)
      guacd.say('clipboard', 9, 'image/png')
    }
    const { session } = await end.live.hear('started')
    await until(() => ofStreams(end.shown).includes(`blob 1024 ${b64('copied 2999')}`) || undefined, 30_000)
    await end.leave()
    const { vault } = guacd.gateway
    const of = (list: readonly { readonly session: string }[]) =>
      list.filter((one) => one.session === session).length
    expect(of(vault.inputsOf('session.clipboard'))).toBeLessThan(20)
    expect(of(vault.inputsOf('session.event'))).toBeLessThan(120)
    const marks = (await guacd.gateway.frames()).filter(({ kind }) => kind === 'mark')
    expect(marks.length).toBeLessThan(150)
  })
})
