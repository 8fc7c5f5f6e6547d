import { Button, Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { SavedFilter, VerbAnswer } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { visible } from '../parts/wording.ts'
import type { Asked } from './recordings-found.ts'

type Doing = { readonly what: 'save' } | { readonly what: 'rename' | 'delete'; readonly filter: SavedFilter }

/** What its user looks for often: one click away, and theirs to rename and delete. */
export function SavedFilters({
  asked,
  onAsk,
}: {
  readonly asked: Asked
  readonly onAsk: (asked: Asked) => void
}) {
  const queries = useQueryClient()
  const filters = useQuery({
    queryKey: ['filters'],
    queryFn: () => get<VerbAnswer<'filter.list'>>('/api/filters'),
  })
  const [doing, setDoing] = useState<Doing | null>(null)
  const [menu, setMenu] = useState<string | null>(null)
  const done = async () => {
    await queries.invalidateQueries({ queryKey: ['filters'] })
    setDoing(null)
  }
  const isAsked = Object.keys(asked).length > 0
  const shown = filters.data ?? []
  return (
    <div className="row gap-below" role="group" aria-label="Saved filters">
      {shown.map((filter) => (
        <span key={filter.name} className="row saved-filter">
          <Button variant="tertiary" size="sm" onClick={() => onAsk(filter.asked)}>
            {visible(filter.name)}
          </Button>
          <Dropdown
            isOpen={menu === filter.name}
            onOpenChange={(open) => setMenu(open ? filter.name : null)}
            onSelect={() => setMenu(null)}
            toggle={(ref) => (
              <MenuToggle
                ref={ref}
                variant="plain"
                size="sm"
                aria-label={`Change filter ${filter.name}`}
                isExpanded={menu === filter.name}
                onClick={() => setMenu(menu === filter.name ? null : filter.name)}
              >
                …
              </MenuToggle>
            )}
          >
            <DropdownList>
              <DropdownItem onClick={() => setDoing({ what: 'rename', filter })}>Rename</DropdownItem>
              <DropdownItem isDanger onClick={() => setDoing({ what: 'delete', filter })}>
                Delete
              </DropdownItem>
            </DropdownList>
          </Dropdown>
        </span>
      ))}
      {isAsked ? (
        <Button variant="link" size="sm" onClick={() => setDoing({ what: 'save' })}>
          Save this filter
        </Button>
      ) : shown.length === 0 ? (
        <span className="quiet small">What you look for often can be saved here: find something first.</span>
      ) : null}
      {doing === null ? null : (
        <Change doing={doing} asked={asked} names={shown} onClose={() => setDoing(null)} onDone={done} />
      )}
    </div>
  )
}

function Change(props: {
  readonly doing: Doing
  readonly asked: Asked
  readonly names: readonly SavedFilter[]
  readonly onClose: () => void
  readonly onDone: () => Promise<void>
}) {
  const { doing } = props
  const before = doing.what === 'save' ? '' : doing.filter.name
  const [name, setName] = useState(before)
  if (doing.what === 'delete')
    return (
      <Dialog
        title={`Delete filter ${before}?`}
        action="Delete"
        danger
        onClose={props.onClose}
        act={async () => {
          await ask('POST', '/api/filters/remove', { name: before })
          await props.onDone()
        }}
      />
    )
  const isTaken = doing.what === 'save' && props.names.some((one) => one.name === name.trim())
  return (
    <Dialog
      title={doing.what === 'save' ? 'Save this filter' : `Rename filter ${before}`}
      action={isTaken ? 'Write over' : doing.what === 'save' ? 'Save' : 'Rename'}
      ready={name.trim() !== ''}
      onClose={props.onClose}
      act={async () => {
        if (doing.what === 'save') await ask('PUT', '/api/filters', { name, asked: props.asked })
        else await ask('POST', '/api/filters/rename', { name: before, to: name })
        await props.onDone()
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint={isTaken ? 'You have one of this name: it is written over.' : 'Only you see it.'}
      />
    </Dialog>
  )
}
