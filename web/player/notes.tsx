import { Button } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { longestNote } from '../../recorder/replay/index.ts'
import type { RecordingNote } from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { LongField } from '../parts/field.tsx'
import { clock } from '../parts/wording.ts'
import { touchKeyring } from '../sealed/keyring.ts'
import type { Opened } from './opened.ts'

/** What an auditor noted at a moment of a recording. */
export type Note = {
  readonly id: string
  /** Nanoseconds. */
  readonly at: number
  readonly by: string
  readonly text: string
}

/** Reading and writing the notes of the recording that is shown. */
export type Notes = {
  readonly list: readonly Note[]
  readonly add: (at: number, text: string) => Promise<void>
}

/** The notes on a recording, opened in this browser; `by` is who writes. What does not open is shown as that. */
export function useNotes(recording: string, opened: Opened | null, by: string): Notes {
  const queries = useQueryClient()
  const key = useMemo(() => ['notes', recording, opened?.replay.header.publicKey], [recording, opened])
  const { data } = useQuery({
    queryKey: key,
    enabled: opened !== null,
    refetchInterval: 30_000,
    queryFn: async (): Promise<readonly Note[]> => {
      const sealed = await get<readonly RecordingNote[]>(at`/api/recordings/${recording}/notes`)
      return Promise.all(
        sealed.map(async (one) => {
          const note = await opened?.replay.openNote(one.id, one.by, one.sealed)
          const { at: moment = 0, text = 'a note that does not open: it was changed' } = note ?? {}
          return { id: one.id, by: one.by, at: moment, text }
        }),
      )
    },
  })
  const add = useCallback(
    async (moment: number, text: string) => {
      if (opened === null) return
      touchKeyring()
      const note = newId('nte')
      const sealed = await opened.replay.sealNote(note, by, { at: moment, text })
      await ask('POST', at`/api/recordings/${recording}/notes`, { note, sealed })
      await queries.invalidateQueries({ queryKey: key })
    },
    [recording, opened, by, queries, key],
  )
  return useMemo(() => ({ list: data ?? [], add }), [data, add])
}

/** Writes a note at a moment. */
export function NoteButton(props: {
  readonly notes: Notes
  readonly position: () => number
  readonly onOpen: () => void
}) {
  const [moment, setMoment] = useState<number | null>(null)
  const [text, setText] = useState('')
  const close = () => {
    setMoment(null)
    setText('')
  }
  return (
    <>
      <Button
        variant="secondary"
        size="sm"
        onClick={() => {
          props.onOpen()
          setMoment(props.position())
        }}
      >
        Note
      </Button>
      {moment === null ? null : (
        <Dialog
          title={`A note at ${clock(moment / 1e9)}`}
          description="Sealed like the recording: whoever can open that reads it, and nobody else. Your name and the time are kept with it, and it cannot be changed."
          action="Keep the note"
          ready={text.trim() !== '' && text.length <= longestNote}
          onClose={close}
          act={async () => {
            await props.notes.add(moment, text.trim())
            close()
          }}
        >
          <LongField
            label="What is to be seen here"
            value={text}
            onChange={setText}
            rows={3}
            fault={text.length > longestNote ? `write ${longestNote} characters at most` : undefined}
          />
        </Dialog>
      )}
    </>
  )
}
