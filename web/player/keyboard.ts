import { useEffect } from 'react'
import type { Playback } from './playback.ts'

const second = 1e9

/** The player's keys. They rest while somebody types into a field or a dialog is open. */
export function usePlayerKeys(
  playback: Playback | null,
  acts: {
    readonly fullScreen: () => void
    readonly help: () => void
    readonly mark: (direction: 1 | -1) => void
  },
): void {
  useEffect(() => {
    if (playback === null) return
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || isElsewhere(event)) return
      const step = (event.shiftKey ? 30 : 5) * second
      const { position, skipIdle } = playback.state()
      const act = actOf(event.key)
      if (act === undefined) return
      event.preventDefault()
      act()

      function actOf(key: string): (() => void) | undefined {
        if (playback === null) return undefined
        if (/^\d$/.test(key)) return () => playback.seek((Number(key) / 10) * playback.duration)
        switch (key) {
          case ' ':
          case 'k':
            return () => playback.toggle()
          case 'ArrowLeft':
            return () => playback.seek(position - step)
          case 'ArrowRight':
            return () => playback.seek(position + step)
          case '<':
          case ',':
            return () => playback.faster(-1)
          case '>':
          case '.':
            return () => playback.faster(1)
          case 'Home':
            return () => playback.seek(0)
          case 'End':
            return () => playback.seek(playback.duration)
          case 'i':
            return () => playback.setSkipIdle(!skipIdle)
          case 'm':
            return () => acts.mark(1)
          case 'M':
            return () => acts.mark(-1)
          case 'f':
            return acts.fullScreen
          case '?':
            return acts.help
          default:
            return undefined
        }
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [playback, acts])
}

function isElsewhere(event: KeyboardEvent): boolean {
  if (document.querySelector('[role="dialog"]') !== null) return true
  const { target } = event
  if (!(target instanceof HTMLElement)) return false
  // Space turns the switch that has the focus; the arrows of the time line are the player's.
  if (target instanceof HTMLInputElement)
    return target.type === 'checkbox' ? event.key === ' ' : target.type !== 'range'
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true
  // Space presses the button that has the focus.
  return (target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement) && event.key === ' '
}
