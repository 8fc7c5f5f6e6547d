import type { Replay } from './replay.ts'

/** The channels of a recording that are desktops. */
export async function desktopChannels(replay: Replay): Promise<ReadonlySet<number>> {
  const opened = (await replay.marks()).filter(({ mark }) => mark.kind === 'open' && mark.type === 'desktop')
  return new Set(opened.map(({ channel }) => channel))
}

/**
 * Writes a desktop as a recording of Apache Guacamole (`.guac`), which its player, guacenc and guaclog read: the
 * instructions as they were shown, and the mouse. Nothing where the recording has no desktop.
 */
export async function* toGuac(replay: Replay): AsyncGenerator<Uint8Array> {
  const [desktop] = await desktopChannels(replay)
  if (desktop === undefined) return
  for await (const frame of replay.frames())
    if (frame.kind === 'output' && frame.channel === desktop) yield frame.bytes
}
