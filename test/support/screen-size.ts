import { execFileSync } from 'node:child_process'

/** How large the screen of an X display is, as the display itself says: `1024x768`. */
export function screenSize(display: number): string {
  const said = execFileSync('/usr/bin/xdpyinfo', ['-display', `:${display}`], { encoding: 'utf8' })
  return /dimensions:\s+(\d+x\d+) pixels/.exec(said)?.[1] ?? ''
}
