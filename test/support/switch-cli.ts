/** The command line of a switch that was written for tests: a simulator, and no maker's. What it can is what recipes need. */

export const dialects = ['ios', 'scalance', 'hirschmann', 'moxa'] as const
export type Dialect = (typeof dialects)[number]

/** How it behaves, for what real switches cannot be made to do. */
export const switchFaults = [
  'obeys',
  'asks something else',
  'closes before it hears the new one',
  'closes when it heard the new one',
  'closes when it took the new one',
  'says nothing more when it took the new one',
  'accepts and does not apply',
  'applies and answers an error',
  'refuses the new one',
  'loses its power before it heard the new one',
  'loses its power when it took the new one',
  'loses its power before it has saved',
  'loses its power when it has saved',
  'cannot save',
  'saves and says nothing more',
] as const
export type SwitchFault = (typeof switchFaults)[number]

/** What hostile machines do besides. */
export type SwitchMalice =
  | 'echoes the new one'
  | 'pages without end'
  | 'floods'
  | 'asks for the password again'
  | 'asks in other words'
  | 'answers an error with what it heard'

export type SwitchState = {
  readonly hostname: string
  readonly dialect: Dialect
  /** What is in force, and what is there after a restart. */
  running: SwitchSettings
  startup: SwitchSettings
  /** Missing: whoever logs in is at the higher level at once. */
  readonly enablePassword: string | undefined
  readonly leastLength: number
  readonly mostLength: number
  readonly forbidden: string
  fault: SwitchFault
  malice: SwitchMalice | undefined
  /** Lines that were entered, at prompts for passwords too. */
  readonly entered: string[]
  readonly echoesPasswords: boolean
  readonly repeatsPassword: boolean
  readonly losePower: () => void
}

export type SwitchSettings = {
  readonly passwords: Readonly<Record<string, string>>
  readonly vlans: readonly string[]
}

type Ends = { readonly write: (text: string) => void; readonly close: () => void }

/** One session on it. */
export class SwitchCli {
  readonly #state: SwitchState
  readonly #login: string
  readonly #ends: Ends
  #line = ''
  #level: 'user' | 'enabled' | 'config'
  #asking:
    | { readonly prompt: string; readonly shows: boolean; readonly then: (given: string) => void }
    | undefined
  #pages: string[] = []
  #isPaged = true
  #isMute = false

  constructor(state: SwitchState, login: string, ends: Ends) {
    this.#state = state
    this.#login = login
    this.#ends = ends
    this.#level = state.enablePassword === undefined ? 'enabled' : 'user'
    if (state.malice === 'floods') {
      for (let left = 80; left > 0; left -= 1) ends.write('x'.repeat(16 * 1024))
      return
    }
    this.#say('User Access Verification')
    this.#prompt()
  }

  hear(bytes: Uint8Array): void {
    for (const character of Buffer.from(bytes).toString('latin1')) this.#key(character)
  }

  #key(character: string): void {
    if (this.#isMute) return
    if (this.#pages.length > 0) {
      this.#ends.write('\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b')
      return this.#page()
    }
    const shows = this.#asking === undefined || this.#asking.shows || this.#state.echoesPasswords
    if (character === '\r' || character === '\n') {
      if (character === '\n' && this.#line === '') return
      const line = this.#line
      this.#line = ''
      this.#state.entered.push(line)
      if (this.#asking === undefined) {
        this.#do(line.trim())
        return
      }
      const { then } = this.#asking
      this.#asking = undefined
      if (this.#state.repeatsPassword) this.#say(`you typed ${line}`)
      then(line)
    } else if (character === '\x7f' || character === '\b') {
      if (this.#line !== '' && shows) this.#ends.write('\b \b')
      this.#line = this.#line.slice(0, -1)
    } else if (character === '?' && this.#asking === undefined) {
      // Help, at once: what was typed stays.
      this.#ends.write('?')
      this.#say('  <cr>')
      this.#ends.write(`\r\n${this.#promptText()}${this.#line}`)
    } else {
      this.#line += character
      if (shows) this.#ends.write(character)
    }
  }

  #say(text: string): void {
    this.#ends.write(`\r\n${text}`)
  }

  #promptText(): string {
    const { hostname, dialect } = this.#state
    if (dialect === 'hirschmann')
      return { user: `(${hostname}) >`, enabled: `(${hostname}) #`, config: `(${hostname}) (Config)#` }[
        this.#level
      ]
    return { user: `${hostname}>`, enabled: `${hostname}#`, config: `${hostname}(config)#` }[this.#level]
  }

  #prompt(): void {
    this.#ends.write(`\r\n${this.#promptText()}`)
  }

  #ask(prompt: string, then: (given: string) => void, shows = false): void {
    this.#asking = { prompt, then, shows }
    this.#ends.write(`\r\n${prompt} `)
  }

  #page(): void {
    const isEndless = this.#state.malice === 'pages without end'
    this.#ends.write(`\r\n${this.#pages.splice(0, isEndless ? 0 : 20).join('\r\n')}`)
    if (this.#pages.length > 0) this.#ends.write(`\r\n ${this.#more()} `)
    else this.#prompt()
  }

  #more(): string {
    return this.#state.dialect === 'hirschmann' ? '--More-- or (q)uit' : '--More--'
  }

  #show(lines: readonly string[]): void {
    if (!this.#isPaged) {
      for (const line of lines) this.#say(line)
      return this.#prompt()
    }
    this.#pages = [...lines]
    this.#page()
  }

  #do(line: string): void {
    const { dialect } = this.#state
    const words = line.split(/\s+/)
    const [first = ''] = words
    if (line === '') return this.#prompt()
    if (first === 'enable' && this.#level === 'user') return this.#enable()
    if (line === 'terminal length 0') {
      if (this.#state.malice === 'pages without end') return this.#show(['a line'])
      this.#isPaged = false
      return this.#prompt()
    }
    if (['exit', 'logout', 'quit', 'end'].includes(first)) return this.#leave()
    if (first === 'show')
      return this.#show(
        line === 'show running-config'
          ? [
              'Current configuration:',
              ...Array.from({ length: 60 }, (_, n) => `interface GigabitEthernet1/${n}`),
            ]
          : [line.slice(5)],
      )
    if (first === 'change' && dialect === 'scalance') return this.#change(this.#login, words[2] ?? '')
    if (this.#level === 'user') return this.#unknown()
    if (line === 'configure terminal' || (line === 'configure' && dialect !== 'ios')) return this.#configure()
    if (/^(write memory|write startup-config|copy running-config startup-config)$/.test(line))
      return this.#save()
    if (line === 'copy system:running-config nvram:startup-config')
      return this.#ask(
        'Are you sure you want to save? (y/n)',
        (given) => (given === 'y' ? this.#save() : this.#prompt()),
        true,
      )
    if (this.#level !== 'config') return this.#unknown()
    if (first === 'vlan' && words[1] !== undefined) {
      this.#set({ vlans: [...this.#state.running.vlans, words[1]] })
      return this.#prompt()
    }
    if (first === 'username' && words[1] !== undefined && words.length === 4)
      return this.#change(words[1], words[3] ?? '')
    if (line === `users passwd ${words[2]}` && words[2] !== undefined) return this.#askChange(words[2])
    return this.#unknown()
  }

  #unknown(): void {
    this.#say("% Invalid input detected at '^' marker.")
    this.#prompt()
  }

  #enable(): void {
    this.#ask('Password:', (given) => {
      if (given === this.#state.enablePassword) this.#level = 'enabled'
      else this.#say('% Access denied')
      this.#prompt()
    })
  }

  #leave(): void {
    if (this.#level === 'config') {
      this.#level = 'enabled'
      return this.#prompt()
    }
    this.#ends.write('\r\n')
    this.#ends.close()
  }

  #configure(): void {
    const { fault, malice } = this.#state
    if (fault === 'closes before it hears the new one') return this.#ends.close()
    if (fault === 'loses its power before it heard the new one') return this.#state.losePower()
    if (fault === 'asks something else') return this.#ask('Which file?', () => this.#prompt(), true)
    if (malice === 'asks for the password again') return this.#ask('Password:', () => this.#prompt())
    this.#level = 'config'
    this.#say('Enter configuration commands, one per line.  End with CNTL/Z.')
    this.#prompt()
  }

  #askChange(login: string): void {
    const isOdd = this.#state.malice === 'asks in other words'
    this.#ask(isOdd ? 'For http://192.0.2.66/ Enter old password:' : 'Enter old password:', (old) => {
      if (old !== this.#state.running.passwords[login]) {
        this.#say('Error: the old password is incorrect')
        return this.#prompt()
      }
      this.#ask('Enter new password:', (given) => {
        if (this.#state.malice === 'echoes the new one') this.#ends.write(given)
        this.#ask('Confirm new password:', (again) => {
          if (again === given) return this.#change(login, given)
          this.#say('Error: the passwords do not match')
          this.#prompt()
        })
      })
    })
  }

  #change(login: string, password: string): void {
    const { leastLength, mostLength, forbidden, fault, malice, dialect } = this.#state
    const isUnfit =
      password.length < leastLength ||
      password.length > mostLength ||
      [...password].some((char) => forbidden.includes(char))
    if (fault === 'closes when it heard the new one') return this.#ends.close()
    if (isUnfit || fault === 'refuses the new one') {
      const why = malice === 'answers an error with what it heard' ? ` (${password})` : ''
      this.#say(`% Password does not meet the rules: Error: not valid${why}`)
      return this.#prompt()
    }
    if (fault !== 'accepts and does not apply')
      this.#set({ passwords: { ...this.#state.running.passwords, [login]: password } })
    // Scalance keeps it at once.
    if (dialect === 'scalance') this.#state.startup = this.#state.running
    switch (fault) {
      case 'loses its power when it took the new one':
        return this.#state.losePower()
      case 'closes when it took the new one':
        return this.#ends.close()
      case 'says nothing more when it took the new one':
        this.#isMute = true
        return
      case 'applies and answers an error':
        this.#say('% Error: Invalid: the operation failed')
        return this.#prompt()
      default:
        if (dialect === 'hirschmann') this.#say('Password Changed!')
        return this.#prompt()
    }
  }

  #set(change: Partial<SwitchSettings>): void {
    this.#state.running = { ...this.#state.running, ...change }
  }

  #save(): void {
    switch (this.#state.fault) {
      case 'loses its power before it has saved':
        return this.#state.losePower()
      case 'cannot save':
        this.#say('startup-config file open failed (Device or resource busy) % Error')
        return this.#prompt()
      default:
        this.#state.startup = this.#state.running
    }
    if (this.#state.fault === 'loses its power when it has saved') return this.#state.losePower()
    if (this.#state.fault === 'saves and says nothing more') {
      this.#isMute = true
      return
    }
    this.#say(
      this.#state.dialect === 'hirschmann' ? 'Configuration Saved!' : 'Building configuration...\r\n[OK]',
    )
    this.#prompt()
  }
}
