import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { askGuacd } from '../../recorder/broker/desktop/ask-guacd.ts'
import { findGuacd } from '../setup/guacd.ts'
import type { Finding } from './examine.ts'

const ready = z.looseObject({
  guacd: z.object({ host: z.string(), port: z.int().positive(), isOwn: z.boolean() }),
})

/** Whether guacd answers the running installation, and is of a line for plants. Nothing where none runs. */
export async function examineDesktops(dataDir: string): Promise<readonly Finding[]> {
  const guacd = readGuacd(dataDir)
  if (guacd === undefined) return []
  const { host, port, isOwn } = guacd
  const name = 'desktops'
  try {
    const { isCurrent, protocolVersion } = await askGuacd(guacd, 'vnc', 5_000)
    const text = `guacd answers at ${host} port ${port}`
    if (isCurrent) return [{ name, level: 'fine', text }]
    return [
      {
        name,
        level: 'note',
        text: `${text} and is older than 1.6 (it speaks ${protocolVersion ?? 'an old version'} of its protocol): for evaluation and tests`,
        next: 'in a plant run guacd 1.6 or newer, in a container for instance, and give GUACD_HOST and GUACD_PORT',
      },
    ]
  } catch (error) {
    const why = (error as Error).message
    if (isOwn && findGuacd() === undefined)
      return [
        {
          name,
          level: 'note',
          text: 'desktops are off: guacd is not installed',
          next: 'npm start -- --yes, as root, installs it where the distribution (on Debian 12: the release before) has it; or run it elsewhere and give GUACD_HOST and GUACD_PORT',
        },
      ]
    return [
      {
        name,
        level: 'wrong',
        text: `desktops are off: ${why}`,
        next: isOwn
          ? 'look at what npm start says of guacd, then start it again'
          : 'start guacd there, or correct GUACD_HOST and GUACD_PORT and start again',
      },
    ]
  }
}

function readGuacd(dataDir: string): z.infer<typeof ready>['guacd'] | undefined {
  try {
    return ready.parse(JSON.parse(readFileSync(join(dataDir, 'ready.json'), 'utf8'))).guacd
  } catch {
    // Not running, as is said elsewhere.
    return undefined
  }
}
