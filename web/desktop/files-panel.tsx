import {
  Badge,
  Button,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Progress,
  Title,
} from '@patternfly/react-core'
import { type DragEvent, useRef, useState, useSyncExternalStore } from 'react'
import { Table } from '../parts/listing.tsx'
import { Note } from '../parts/note.tsx'
import { bytes, moment, sentence, visible } from '../parts/wording.ts'
import type { MachineFiles, Transfer } from './machine-files.ts'
import { type FileEntry, parentOf, pathIn } from './sftp.ts'

/** So much of a name is shown: the rest is in its title. */
const longestShown = 80
/** So many names are shown at once: a browser stands still over more. */
const mostShown = 500

const states: Readonly<Record<Transfer['state'], string>> = {
  waiting: 'waits',
  going: 'on its way',
  there: 'done',
  exists: 'there is one of this name',
  stopped: 'stopped: half a file is no file, and was removed',
  failed: 'did not go',
}

/**
 * The files of the machine beside its desktop, behind a button.
 *
 * SECURITY: what it lists is a machine's word, shown with what cannot be seen in it. A file goes over by the user's act
 * alone, and is stored here under a name without control characters, in the folder that the browser chooses.
 */
export function Files(props: {
  readonly of: MachineFiles
  /** As whom they go. */
  readonly account: string
  readonly isOpen: boolean
  readonly onOpen: () => void
  readonly onClose: () => void
}) {
  const { of, isOpen } = props
  const view = useSyncExternalStore(of.listen, of.view)
  const going = view.transfers.filter(({ state }) => state === 'going' || state === 'waiting').length
  const [isOver, setOver] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const isReady = view.state === 'open'
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    if (isReady && view.writes) of.put([...event.dataTransfer.files])
  }
  return (
    <>
      <Button variant="secondary" size="sm" onClick={props.onOpen}>
        Files{going > 0 ? <Badge className="clipboard-new">{going} going</Badge> : null}
      </Button>
      {isOpen ? (
        <Modal isOpen variant="medium" aria-labelledby="files-title" onClose={props.onClose}>
          <ModalHeader
            title="Files"
            labelId="files-title"
            description={`On the machine, as ${visible(props.account)}. Each file that goes over is recorded with its name, size and SHA-256.`}
          />
          <ModalBody>
            <div
              className={isOver ? 'files-drop files-over' : 'files-drop'}
              data-testid="files-drop"
              onDragOver={(event) => {
                event.preventDefault()
                setOver(true)
              }}
              onDragLeave={() => setOver(false)}
              onDrop={drop}
            >
              {view.state === 'closed' ? (
                <Note
                  variant="warning"
                  title={view.why === null ? 'The files are closed' : sentence(view.why)}
                >
                  <Button variant="link" isInline onClick={() => of.open()}>
                    Open them anew
                  </Button>
                </Note>
              ) : null}
              {view.state === 'opening' ? (
                <p className="quiet">The machine is logged in to for its files …</p>
              ) : null}
              {isReady ? <Folder of={of} /> : null}
              {isReady && view.writes ? (
                <div className="row files-put">
                  <Button variant="secondary" onClick={() => chooser.current?.click()}>
                    Put files here
                  </Button>
                  <span className="quiet small">or drop them on this list</span>
                  <input
                    ref={chooser}
                    type="file"
                    multiple
                    hidden
                    data-testid="files-chooser"
                    onChange={(event) => {
                      of.put([...(event.currentTarget.files ?? [])])
                      event.currentTarget.value = ''
                    }}
                  />
                </div>
              ) : null}
              {isReady && !(view.reads && view.writes) ? (
                <p className="quiet small">
                  {view.reads
                    ? 'Your access lets you take files off the machine, and put none there: that takes sftp-write.'
                    : 'Your access lets you put files there, and take none off: that takes sftp-read.'}
                </p>
              ) : null}
            </div>
            <Transfers of={of} all={view.transfers} />
          </ModalBody>
          <ModalFooter>
            <Button variant="primary" onClick={props.onClose}>
              Back to the desktop
            </Button>
          </ModalFooter>
        </Modal>
      ) : null}
    </>
  )
}

function Folder({ of }: { readonly of: MachineFiles }) {
  const { folder, entries, isListing, listing, reads } = useSyncExternalStore(of.listen, of.view)
  return (
    <section aria-labelledby="files-folder">
      <div className="row files-head">
        <Title headingLevel="h2" size="md" id="files-folder" className="mono files-path">
          {visible(folder)}
        </Title>
        <Button
          variant="link"
          size="sm"
          isDisabled={folder === '/' || isListing}
          onClick={() => of.go(parentOf(folder))}
        >
          Up
        </Button>
        <Button variant="link" size="sm" isDisabled={isListing} onClick={() => of.go(folder)}>
          List anew
        </Button>
      </div>
      {listing === null ? null : <Note variant="warning" title={sentence(listing)} />}
      {entries.length === 0 && !isListing && listing === null ? (
        <p className="quiet">This folder is empty.</p>
      ) : (
        <div className="files-list" tabIndex={0} role="region" aria-label="Files of this folder">
          <Table
            name="Files"
            rows={entries.slice(0, mostShown)}
            keyOf={({ name }) => name}
            columns={[
              {
                title: 'Name',
                fit: 'text',
                cell: (entry) => <EntryName of={of} entry={entry} folder={folder} />,
              },
              { title: 'Size', fit: 'whole', cell: ({ isFolder, size }) => (isFolder ? '' : bytes(size)) },
              {
                title: 'Changed',
                fit: 'whole',
                cell: ({ changed }) =>
                  changed === undefined ? '' : moment(new Date(changed * 1000).toISOString()),
              },
              {
                title: 'Act',
                actions: true,
                cell: (entry) =>
                  entry.isFolder || !reads ? null : (
                    <Button
                      variant="secondary"
                      size="sm"
                      aria-label={`Take ${shorter(visible(entry.name))}`}
                      onClick={() => of.take(entry)}
                    >
                      Take
                    </Button>
                  ),
              },
            ]}
          />
        </div>
      )}
      {entries.length > mostShown ? (
        <p className="quiet small">
          The first {mostShown} of {entries.length} are shown.
        </p>
      ) : null}
    </section>
  )
}

function EntryName(props: { readonly of: MachineFiles; readonly entry: FileEntry; readonly folder: string }) {
  const { of, entry, folder } = props
  const whole = visible(entry.name)
  return entry.isFolder ? (
    <Button
      variant="link"
      isInline
      className="mono files-path"
      title={whole}
      onClick={() => of.go(pathIn(folder, entry.name))}
    >
      {shorter(whole)}/
    </Button>
  ) : (
    <span className="mono files-path" title={whole}>
      {shorter(whole)}
    </span>
  )
}

function shorter(name: string): string {
  return name.length > longestShown ? `${name.slice(0, longestShown)}…` : name
}

function Transfers({ of, all }: { readonly of: MachineFiles; readonly all: readonly Transfer[] }) {
  const said = all.findLast(({ state }) => state !== 'waiting' && state !== 'going')
  return (
    <section aria-label="What goes over">
      <span role="status" className="pf-v6-screen-reader">
        {said === undefined ? '' : `${visible(said.name)}: ${states[said.state]}`}
      </span>
      {all.toReversed().map((one) => (
        <div key={one.id} className="files-transfer" data-state={one.state}>
          <div className="row">
            <span className="mono files-path" title={visible(one.name)}>
              {one.way === 'in' ? '→ ' : '← '}
              {shorter(visible(one.name))}
            </span>
            <span className="quiet small">
              {one.state === 'going' ? `${bytes(one.done)} of ${bytes(one.size)}` : states[one.state]}
            </span>
            <span className="controls-gap" />
            {one.state === 'exists' ? (
              <Button variant="danger" size="sm" onClick={() => of.replace(one.id)}>
                Replace it
              </Button>
            ) : null}
            {one.state === 'going' || one.state === 'waiting' ? (
              <Button
                variant="link"
                size="sm"
                aria-label={`Stop ${visible(one.name)}`}
                onClick={() => of.stop(one.id)}
              >
                Stop
              </Button>
            ) : (
              <Button
                variant="link"
                size="sm"
                aria-label={`Forget ${visible(one.name)}`}
                onClick={() => of.forget(one.id)}
              >
                Forget
              </Button>
            )}
          </div>
          {one.state === 'going' ? (
            <Progress
              aria-label={visible(one.name)}
              size="sm"
              value={one.size === 0 ? 100 : Math.min(100, Math.round((one.done / one.size) * 100))}
            />
          ) : null}
          {one.why === undefined ? null : <p className="small">{sentence(one.why)}</p>}
        </div>
      ))}
    </section>
  )
}
