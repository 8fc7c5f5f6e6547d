/** An `scp -t` or `scp -f` command line, as scp clients send it to the far side. */
export type ScpCommand = {
  /** `upload`: files come from the user (`-t`); `download`: files go to the user (`-f`). */
  readonly direction: 'upload' | 'download'
  readonly path: string
  /** True where the path holds nothing but patterns that a shell would act on: then the command only copies files. */
  readonly isPlain: boolean
}

/**
 * Parses a command line that runs scp in its server mode. Undefined for any other command.
 *
 * SECURITY: the target's shell runs the line. A path with anything but plain characters could run something else,
 * which only `exec` allows.
 */
export function parseScp(command: string): ScpCommand | undefined {
  const match = /^(?:\/usr\/bin\/)?scp((?: -[a-zA-Z]+)+)(?: --)? (.+)$/s.exec(command)
  const flags = match?.[1]
  const path = match?.[2]
  if (flags === undefined || path === undefined) return undefined
  const letters = flags.replaceAll(/[ -]/g, '')
  const isSink = letters.includes('t')
  if (isSink === letters.includes('f') || !/^[tfprvdq]+$/.test(letters)) return undefined
  const isPlain = /^(?:[\w./~+=,:@*?[\]{}]|\\ )(?:[\w./~+=,:@*?[\]{}-]|\\ )*$/.test(path)
  return { direction: isSink ? 'upload' : 'download', path, isPlain }
}
