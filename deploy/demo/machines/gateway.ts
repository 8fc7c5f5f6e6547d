import { type Caller, failed, type Machine, ok, paint, type Reply, stamp, words } from './shell.ts'

/** A value that a press or a mixer works to, and between which limits. */
export type Setpoint = {
  readonly name: string
  readonly unit: string
  readonly least: number
  readonly most: number
  value: number
}

/** What tells one engineering gateway from another. */
export type GatewaySheet = {
  readonly host: string
  readonly what: string
  readonly recipe: readonly string[]
  readonly setpoints: readonly Setpoint[]
  /** Logins that may change setpoints. */
  readonly engineers: readonly string[]
}

const help = `status                        what the machine does now
show recipe                   the recipe that runs
show setpoints                values and their limits
set setpoint NAME VALUE       change a value (engineers); outside its limits: … VALUE override
alarms                        what stands
tail [-n LINES] events.log    the log of events
delete events.log             start it anew (engineers)
whoami  uptime  clear  help  exit
`

/** An engineering gateway in front of a press or a mixer. Its log notes who changed what. */
export function makeGateway(sheet: GatewaySheet, now: () => Date = () => new Date()): Machine {
  const since = now()
  const log: string[] = []
  const note = (level: 'INFO' | 'WARN', text: string) => {
    log.push(`${stamp(now())} ${level} ${text}`)
    if (log.length > 1_000) log.shift()
  }
  note('INFO', `${sheet.host} started, recipe ${sheet.recipe[0] ?? ''} loaded`)
  note('INFO', 'self test passed, safety circuit closed')
  const standing = () => sheet.setpoints.filter(({ value, least, most }) => value < least || value > most)
  const limits = ({ least, most, unit }: Setpoint) => `${least} to ${most} ${unit}`

  const status = (): Reply => {
    const cycles = 8_211 + Math.floor((now().getTime() - since.getTime()) / 9_000)
    const alarms = standing()
    return ok(
      [
        `${sheet.what} ${paint('green', 'RUNNING')}   cycle ${cycles}   recipe ${sheet.recipe[0] ?? ''}`,
        ...sheet.setpoints.map(
          ({ name, value, unit }) =>
            `  ${name.padEnd(12)} ${String(value).padStart(6)} ${unit.padEnd(5)} actual ${jitter(value, now())}`,
        ),
        alarms.length === 0
          ? `  alarms       ${paint('green', 'none')}`
          : `  alarms       ${paint('red', `${alarms.length} standing`)}`,
        '',
      ].join('\n'),
    )
  }

  const set = (args: readonly string[], { login }: Caller): Reply => {
    const [what, name, text, word, ...more] = args
    if (what !== 'setpoint' || text === undefined || more.length > 0)
      return failed('usage: set setpoint NAME VALUE\n', 2)
    if (!sheet.engineers.includes(login)) return failed(`${login} may not change setpoints\n`)
    const found = sheet.setpoints.find((one) => one.name === name)
    if (found === undefined)
      return failed(`no setpoint ${name}: there are ${sheet.setpoints.map((one) => one.name).join(', ')}\n`)
    const value = /^-?\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
    if (Number.isNaN(value)) return failed(`${text} is no number\n`, 2)
    const isOutside = value < found.least || value > found.most
    if (isOutside && word !== 'override')
      return failed(
        `${paint('yellow', 'refused')}: ${found.name} takes ${limits(found)}; outside: set setpoint ${found.name} ${text} override\n`,
      )
    const change = `setpoint ${found.name} ${found.value} -> ${value} ${found.unit} by ${login}`
    found.value = value
    note(isOutside ? 'WARN' : 'INFO', isOutside ? `${change}, LIMIT OVERRIDDEN (${limits(found)})` : change)
    return ok(
      `${found.name} is now ${isOutside ? paint('red', `${value} ${found.unit}, outside ${limits(found)}`) : `${value} ${found.unit}`}\n`,
    )
  }

  const tail = (args: readonly string[]): Reply => {
    const hasCount = args[0] === '-n'
    const count = hasCount ? Number(args[1]) : 10
    const file = hasCount ? args[2] : args[0]
    if (file !== 'events.log' || !Number.isInteger(count) || count < 1)
      return failed('usage: tail [-n LINES] events.log\n', 2)
    return ok(
      log
        .slice(-count)
        .map((line) => `${line.includes(' WARN ') ? paint('yellow', line) : line}\n`)
        .join(''),
    )
  }

  const erase = (args: readonly string[], { login }: Caller): Reply => {
    if (args.length !== 1 || args[0] !== 'events.log') return failed('usage: delete events.log\n', 2)
    if (!sheet.engineers.includes(login)) return failed(`${login} may not delete the log\n`)
    const count = log.length
    log.length = 0
    return ok(`events.log deleted (${count} lines)\n`)
  }

  const show = (what: string | undefined): Reply => {
    if (what === 'recipe') return ok(`${sheet.recipe.join('\n')}\n`)
    if (what === 'setpoints')
      return ok(
        sheet.setpoints
          .map(
            (one) =>
              `${one.name.padEnd(12)} ${String(one.value).padStart(6)} ${one.unit.padEnd(5)} ${limits(one)}\n`,
          )
          .join(''),
      )
    return failed('usage: show recipe | show setpoints\n', 2)
  }

  return {
    greeting: ({ login }) => {
      note('INFO', `${login} logged in`)
      return `${paint('cyan', sheet.what)} engineering gateway. Changes are logged. Type help.\n`
    },
    prompt: ({ login }) => `${paint('green', `${login}@${sheet.host}`)}> `,
    run: (line, caller) => {
      const [command, ...args] = words(line)
      switch (command) {
        case 'help':
          return ok(help)
        case 'status':
          return status()
        case 'show':
          return show(args[0])
        case 'set':
          return set(args, caller)
        case 'tail':
          return tail(args)
        case 'delete':
          return erase(args, caller)
        case 'alarms': {
          const alarms = standing()
          if (alarms.length === 0) return ok('no alarms\n')
          return ok(
            alarms
              .map(
                (one) =>
                  `${paint('red', 'ALARM')} ${one.name} ${one.value} ${one.unit}, takes ${limits(one)}\n`,
              )
              .join(''),
          )
        }
        case 'whoami':
          return ok(`${caller.login}\n`)
        case 'uptime':
          return ok(`up ${Math.floor((now().getTime() - since.getTime()) / 1000)} s\n`)
        case 'clear':
          return { text: '', code: 0, clears: true }
        case 'exit':
        case 'logout':
          return { text: 'bye\n', code: 0, ends: true }
        default:
          return failed(`${command}: no such command; type help\n`, 127)
      }
    },
  }
}

/** A measured value near the one that is wanted, other every second. */
function jitter(value: number, at: Date): string {
  return (value * (1 + Math.sin(at.getTime() / 700) * 0.004)).toFixed(1)
}
