import { expect, test } from 'vitest'
import { addTarget, startGateway } from '../support/gateway.ts'
import { joined } from '../support/recordings.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`left out: ${why}`)

test.skipIf(why !== undefined)(
  'a command through the gateway (fake vault) gives its output, its errors and its exit code',
  async () => {
    await using sshd = await startSshd()
    await using gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
    const ran = await gateway.run(
      'ssh',
      [
        ...gateway.ssh(['-p', String(gateway.port)]),
        `bob@${sshd.user}@press-3@127.0.0.1`,
        'echo out; echo err >&2; cat; exit 7',
      ],
      'typed in',
    )
    expect([ran.code, ran.out.toString(), ran.err]).toEqual([7, 'out\ntyped in', 'err\n'])
    const frames = await gateway.frames()
    expect(joined(frames, 'output').toString()).toBe('out\ntyped in')
    expect(joined(frames, 'stderr').toString()).toBe('err\n')
    expect(joined(frames, 'input').toString()).toBe('typed in')
  },
)
