import { join } from 'node:path'
import { writeFor } from './data-folder.ts'

/** What a running installation says of itself. */
export type Announcement = {
  readonly console: string
  readonly ssh: {
    readonly host: string
    readonly port: number
    /** Fingerprint of the gateway's host key. */
    readonly hostKey?: string
    /** Its public keys as lines of a known_hosts file, without the host. */
    readonly knownHosts?: readonly string[]
  }
  readonly data: string
  /** What carries desktops, and whether it runs below this supervisor. */
  readonly guacd: { readonly host: string; readonly port: number; readonly isOwn: boolean }
  readonly findings: readonly string[]
}

/**
 * Writes `ready.json` for the command-line program and others.
 *
 * SECURITY: all on the machine may read it, so the first admin's link is not in it.
 */
export function writeReadyFile(dataDir: string, announcement: Announcement): void {
  const text = JSON.stringify({ ready: true, pid: process.pid, ...announcement }, null, 2)
  writeFor(undefined, join(dataDir, 'ready.json'), `${text}\n`, 0o644)
}

/** A host as it is told to people: this machine by the name that its certificate and the console's address have. */
export function hostForPeople(host: string): string {
  return host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host
}

/** The one line of JSON that scripts wait for; `demo` is the file that says how to sign in to a demo plant. */
export function lineForScripts(
  announcement: Announcement,
  firstAdmin: string | undefined,
  demo?: string,
): string {
  const { console: address, ssh, data, findings } = announcement
  return JSON.stringify({
    ready: true,
    console: address,
    ssh,
    data,
    firstAdmin: firstAdmin ?? null,
    findings,
    ...(demo === undefined ? {} : { demo }),
  })
}

/** The same for people. */
export function textForPeople(announcement: Announcement, firstAdmin: string | undefined): string {
  const { host, port } = announcement.ssh
  const lines = ['', 'Tagout is running.', '', `  console  ${announcement.console}`]
  if (firstAdmin !== undefined) lines.push(`  first admin, for 15 minutes: ${firstAdmin}`)
  lines.push(
    `  ssh      port ${port} on ${hostForPeople(host)}`,
    `  data     ${announcement.data}`,
    `  tagout   export TAGOUT_DATA=${announcement.data}; npx tagout --help`,
  )
  if (announcement.findings.length > 0)
    lines.push(
      '',
      'To look at (npx tagout doctor says what to do):',
      ...announcement.findings.map((x) => `  - ${x}`),
    )
  return `${lines.join('\n')}\n\nCtrl-C stops it.\n`
}
