import type { PersonName } from './plant.ts'

/** A session that somebody has: typed at a shell, run as one command, or tunnelled. */
export type Shift = {
  readonly id: string
  readonly user: PersonName
  readonly account: string
  /** The shift of somebody else that has to be over before. */
  readonly after?: string
  readonly does:
    | { readonly kind: 'shell'; readonly lines: readonly string[] }
    | { readonly kind: 'exec'; readonly command: string }
    | { readonly kind: 'tunnel' }
}

const shell = (id: string, user: PersonName, account: string, ...lines: readonly string[]): Shift => ({
  id,
  user,
  account,
  does: { kind: 'shell', lines },
})
const exec = (id: string, user: PersonName, account: string, command: string): Shift => ({
  id,
  user,
  account,
  does: { kind: 'exec', command },
})

/** What the vendor did that nobody had asked for, and how it was hidden. docs/demo.md tells how to find it. */
export const incident = {
  shift: 'vera-2',
  command: 'set setpoint pressure 310 override',
  hidden: 'delete events.log',
} as const

/** A week's worth of work, each person's in its order. It carries the time at which it is driven. */
export const shifts: readonly Shift[] = [
  shell('olga-1', 'olga', 'press-3/operator', 'status', 'show recipe', 'alarms', 'exit'),
  shell(
    'olga-2',
    'olga',
    'press-3/operator',
    'status',
    'show setpoints',
    'set setpoint pressure 225',
    'tail events.log',
    'exit',
  ),
  exec('olga-3', 'olga', 'press-3/operator', 'status'),
  shell(
    'otto-1',
    'otto',
    'mixer-1/engineer',
    'show recipe',
    'show setpoints',
    'set setpoint rotor 41',
    'status',
    'exit',
  ),
  exec('otto-2', 'otto', 'mixer-1/engineer', 'show setpoints'),
  shell(
    'otto-3',
    'otto',
    'mixer-1/engineer',
    'tail -n 5 events.log',
    'set setpoint rotor 38',
    'status',
    'exit',
  ),
  shell('noor-1', 'noor', 'switch-7/manager', 'show version', 'show interfaces', 'show mac', 'exit'),
  shell('noor-2', 'noor', 'jump-1/service', 'uptime', 'ls', 'cat hosts.txt', 'ping switch-7', 'exit'),
  shell(
    'noor-3',
    'noor',
    'switch-7/manager',
    'enable',
    '~e',
    'interface fe0/4 description spare hall 2',
    'show interfaces',
    'show logging',
    'exit',
  ),
  exec('noor-4', 'noor', 'switch-7/manager', 'show logging'),
  shell(
    'vera-1',
    'vera',
    'press-3/engineer',
    'help',
    'status',
    'show setpoints',
    'set setpoint ram-speed 40',
    'exit',
  ),
  shell(
    incident.shift,
    'vera',
    'press-3/engineer',
    'status',
    'set setpoint pressure 310',
    incident.command,
    'status',
    'tail -n 8 events.log',
    incident.hidden,
    'tail -n 8 events.log',
    'exit',
  ),
  {
    // The next morning: the alarm stands, and the machine's own log says nothing of who and why.
    ...shell('olga-4', 'olga', 'press-3/operator', 'status', 'alarms', 'tail events.log', 'exit'),
    after: incident.shift,
  },
  exec('vera-3', 'vera', 'press-3/engineer', 'show recipe'),
  shell('vera-4', 'vera', 'jump-1/service', 'cat NOTES.txt', 'ping mixer-1', 'exit'),
  { id: 'vera-5', user: 'vera', account: 'jump-1/service', does: { kind: 'tunnel' } },
]
