import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writerOver } from '../../support/recordings.ts'

const block = Buffer.alloc(64 * 1024, 'x')

test('a store that does not answer makes writers wait, and fails the recording within 5 s', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-stalled-'))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  // Nobody reads: after 64 KiB the kernel keeps the sealing thread waiting, as a hung disk would.
  const { writer, failures, fd } = await writerOver(pipe, constants.O_RDWR)
  const keepOpen = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const started = performance.now()
  let waitedAt = 0
  let accepted = 0
  try {
    for (;;) {
      const wait = writer.append({ kind: 'output', channel: 0, bytes: block })
      accepted += block.length
      if (wait !== undefined) {
        waitedAt ||= performance.now()
        await wait
      }
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'recording', message: 'the recording store does not answer' })
  }
  const seconds = (performance.now() - started) / 1000
  expect(seconds).toBeGreaterThan(3.5)
  expect(seconds).toBeLessThan(5)
  expect(failures).toHaveLength(1)
  expect(waitedAt).toBeGreaterThan(0)
  // What is taken and not written stays within its bound.
  expect(accepted).toBeLessThan(6 * 1024 * 1024)
  expect(await writer.finish('recording failed')).toMatchObject({ state: 'incomplete' })
  // Let the thread go: read the pipe empty until it closes its end.
  await expect
    .poll(
      () => {
        empty(keepOpen)
        return isOpenOn(fd, pipe)
      },
      { timeout: 10_000, interval: 5 },
    )
    .toBe(false)
  closeSync(keepOpen)
  await rm(folder, { recursive: true })
}, 20_000)

function empty(fd: number): void {
  const bytes = Buffer.alloc(1024 * 1024)
  try {
    while (readSync(fd, bytes) > 0);
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' })
  }
}

function isOpenOn(fd: number, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === path
  } catch {
    return false
  }
}
