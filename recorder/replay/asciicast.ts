import type { Replay } from './replay.ts'

/**
 * Writes one channel as an asciicast (asciinema), version 2 or 3, line by line. Without `channel`: the first one with a
 * terminal, else the first with output. Marks become markers.
 *
 * An asciicast holds what the target printed, escape sequences and all: play it, do not print it.
 */
export async function* toAsciicast(replay: Replay, version: 2 | 3, channel?: number): AsyncGenerator<string> {
  const wanted = channel ?? (await pickChannel(replay))
  const { header } = replay
  const open = (await replay.marks()).find(
    ({ mark, channel: of }) => of === wanted && mark.kind === 'open',
  )?.mark
  const columns = (open?.kind === 'open' && open.columns) || 80
  const rows = (open?.kind === 'open' && open.rows) || 24
  const facts = {
    timestamp: Math.floor(Date.parse(header.createdAt) / 1000),
    title: `${header.user.name} on ${header.account.name}`,
  }
  const term = open?.kind === 'open' && open.term !== undefined ? open.term : undefined
  yield version === 2
    ? JSON.stringify({
        version,
        width: columns,
        height: rows,
        ...facts,
        ...(term && { env: { TERM: term } }),
      })
    : JSON.stringify({ version, term: { cols: columns, rows, ...(term && { type: term }) }, ...facts })

  // Without a terminal nothing has turned line feeds into new lines; a player is a terminal.
  const asShown = (text: string) =>
    open?.kind === 'open' && open.columns === undefined ? text.replaceAll(/\r?\n/g, '\r\n') : text

  // Characters can be split over frames; each stream has its own decoder.
  const decoders = { output: new TextDecoder(), stderr: new TextDecoder(), input: new TextDecoder() }
  let last = 0
  const event = (at: number, code: string, data: string): string => {
    // Version 2 counts from the start, version 3 from the event before. Microseconds: what players resolve.
    const now = Math.max(Math.round(at / 1e3), last)
    const time = version === 2 ? now : now - last
    last = now
    return JSON.stringify([Number((time / 1e6).toFixed(6)), code, data])
  }
  for await (const frame of replay.frames()) {
    if (frame.channel !== wanted) continue
    switch (frame.kind) {
      case 'output':
      case 'stderr':
      case 'input': {
        const text = asShown(decoders[frame.kind].decode(frame.bytes, { stream: true }))
        if (text !== '') yield event(frame.at, frame.kind === 'input' ? 'i' : 'o', text)
        break
      }
      case 'resize':
        yield event(frame.at, 'r', `${frame.columns}x${frame.rows}`)
        break
      case 'mark':
        if (frame.mark.kind === 'command') yield event(frame.at, 'm', frame.mark.line)
        else if (frame.mark.kind === 'close' && version === 3)
          yield event(frame.at, 'x', String(frame.mark.exitCode ?? 255))
        break
      default:
    }
  }
}

async function pickChannel(replay: Replay): Promise<number> {
  let first: number | undefined
  for (const { mark, channel } of await replay.marks()) {
    if (mark.kind !== 'open') continue
    if (mark.columns !== undefined) return channel
    first ??= channel
  }
  return first ?? 0
}
