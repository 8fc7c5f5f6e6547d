import { useState } from 'react'
import { keysymOf, type Letter, rowsFor } from './layouts.ts'

type Held = { readonly name: string; readonly keysym: number }

const shift: Held = { name: 'Shift', keysym: 0xffe1 }
/** Keys that are held for the next one: pressed again, they are let go. */
const held: readonly Held[] = [
  shift,
  { name: 'Ctrl', keysym: 0xffe3 },
  { name: 'Win', keysym: 0xffeb },
  { name: 'Alt', keysym: 0xffe9 },
  { name: 'AltGr', keysym: 0xfe03 },
]
const top: readonly Held[] = [
  { name: 'Esc', keysym: 0xff1b },
  ...Array.from({ length: 12 }, (_, at) => ({ name: `F${at + 1}`, keysym: 0xffbe + at })),
]
const around: readonly Held[] = [
  { name: 'Tab', keysym: 0xff09 },
  { name: 'Backspace', keysym: 0xff08 },
  { name: 'Enter', keysym: 0xff0d },
  { name: 'Del', keysym: 0xffff },
  { name: 'Home', keysym: 0xff50 },
  { name: 'End', keysym: 0xff57 },
  { name: 'PgUp', keysym: 0xff55 },
  { name: 'PgDn', keysym: 0xff56 },
  { name: '←', keysym: 0xff51 },
  { name: '↑', keysym: 0xff52 },
  { name: '↓', keysym: 0xff54 },
  { name: '→', keysym: 0xff53 },
]
const arrows: Readonly<Record<string, string>> = { '←': 'Left', '↑': 'Up', '↓': 'Down', '→': 'Right' }

/** Keys to press by mouse, pen or finger, for a panel that has no keyboard. */
export function ScreenKeyboard(props: {
  /** The keyboard of the machine, where it is known: its letters lie as there. */
  readonly keyboard: string | undefined
  readonly press: (...keysyms: readonly number[]) => void
}) {
  const [down, setDown] = useState<readonly string[]>([])
  const isShifted = down.includes(shift.name)
  const send = (keysym: number, writes: boolean) => {
    // The shifted character says Shift by itself: a machine with another layout would shift it twice.
    const with_ = held.filter(
      (one) => down.includes(one.name) && !(writes && one === shift && down.length === 1),
    )
    props.press(...with_.map((one) => one.keysym), keysym)
    setDown([])
  }
  const named = (one: Held) => (
    <Key
      key={one.name}
      label={arrows[one.name] ?? one.name}
      shows={one.name}
      act={() => send(one.keysym, false)}
    />
  )
  return (
    <div className="drawn-keys" role="group" aria-label="Keys to press">
      <div className="drawn-row">{top.map(named)}</div>
      {rowsFor(props.keyboard).map((row) => (
        <div className="drawn-row" key={row.map(([plain]) => plain).join('')}>
          {row.map((letter: Letter) => {
            const character = letter[isShifted ? 1 : 0]
            return (
              <Key
                key={letter[0]}
                label={character}
                shows={character}
                act={() => send(keysymOf(character), true)}
              />
            )
          })}
        </div>
      ))}
      <div className="drawn-row">
        {held.map(({ name }) => (
          <Key
            key={name}
            label={name}
            shows={name}
            isDown={down.includes(name)}
            act={() => setDown(down.includes(name) ? down.filter((one) => one !== name) : [...down, name])}
          />
        ))}
        <Key label="Space" shows="Space" isWide act={() => send(0x20, true)} />
        {around.map(named)}
      </div>
    </div>
  )
}

function Key(props: {
  readonly label: string
  readonly shows: string
  readonly isDown?: boolean
  readonly isWide?: boolean
  readonly act: () => void
}) {
  return (
    <button
      type="button"
      className={props.isWide === true ? 'drawn-key drawn-wide' : 'drawn-key'}
      aria-label={props.label}
      {...(props.isDown === undefined ? {} : { 'aria-pressed': props.isDown })}
      // The desktop keeps the focus, and with it a keyboard that there may be.
      onPointerDown={(event) => event.preventDefault()}
      onMouseDown={(event) => event.preventDefault()}
      onClick={props.act}
    >
      {props.shows}
    </button>
  )
}
