import { useEffect, useRef } from 'react'

/**
 * Calls `back` when what was open is closed. A dialog that closes gives the keyboard to the button that opened it, where the
 * next Enter of somebody who works on would open it again: `back` comes after that.
 */
export function useBack(isOpen: boolean, back: () => void): void {
  const wasOpen = useRef(isOpen)
  const now = useRef(back)
  now.current = back
  useEffect(() => {
    const isClosed = wasOpen.current && !isOpen
    wasOpen.current = isOpen
    if (!isClosed) return
    const timer = setTimeout(() => now.current(), 0)
    return () => clearTimeout(timer)
  }, [isOpen])
}
