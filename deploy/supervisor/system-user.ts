import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Whom a process runs as. */
export type RunAs = { readonly uid: number; readonly gid: number }

export type SystemUser =
  | 'tagout-postgres'
  | 'tagout-vault'
  | 'tagout-recorder'
  | 'tagout-rotation'
  | 'tagout-api'
  | 'tagout-guacd'
  | 'tagout-demo'

/** They speak with whoever connects, or with hostile machines: outside the planes' group they can use none of its sockets. */
const apart: readonly SystemUser[] = ['tagout-demo', 'tagout-guacd']

/** The group of all of them: it may use the sockets in `run/`, and nothing else is open to it. */
export const systemGroup = 'tagout'

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * Finds or makes the system user, whose primary group is `tagout` (a spawned child keeps no other group), or a group
 * of its own. Root only. Throws with the words of `useradd` where that fails.
 */
export function ensureSystemUser(name: SystemUser): RunAs {
  const known = findUser(name)
  if (known !== undefined) return known
  const isApart = apart.includes(name)
  if (!isApart && findGroup(systemGroup) === undefined) run('groupadd', ['--system', systemGroup])
  run('useradd', [
    '--system',
    ...(isApart ? ['--user-group'] : ['--gid', systemGroup]),
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
    name,
  ])
  const made = findUser(name)
  if (made === undefined) throw new Error(`useradd made no user ${name}`)
  return made
}

export function findUser(name: string): RunAs | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':')
    if (user === name) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

export function findGroup(name: string): number | undefined {
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [group, , gid] = line.split(':')
    if (group === name) return Number(gid)
  }
  return undefined
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  // 9: another start made it in the same moment, which the caller sees by looking again.
  if (status !== 0 && status !== 9)
    throw new Error(
      `${program} failed: ${error?.message ?? stderr.trim()}; make the user by hand or start without root`,
    )
}
