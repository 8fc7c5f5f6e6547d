import { Modal, ModalBody, ModalHeader } from '@patternfly/react-core'

const keys: readonly (readonly [readonly string[], string])[] = [
  [['Space', 'k'], 'Play or pause'],
  [['←', '→'], 'Five seconds back or on'],
  [['Shift ←', 'Shift →'], 'Thirty seconds back or on'],
  [['<', '>'], 'Slower or faster'],
  [['m', 'Shift m'], 'Next or previous mark'],
  [['i'], 'Skip idle time, or not'],
  [['0', '…', '9'], 'Go to a tenth of the recording'],
  [['Home', 'End'], 'To the start or the end'],
  [['f'], 'Full screen'],
  [['?'], 'This help'],
]

export function KeysHelp({ onClose }: { readonly onClose: () => void }) {
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="keys-title">
      <ModalHeader title="Keys" labelId="keys-title" />
      <ModalBody>
        <dl className="facts keys">
          {keys.map(([names, meaning]) => (
            <div key={meaning} className="keys-row">
              <dt>
                {names.map((name) => (
                  <kbd key={name}>{name}</kbd>
                ))}
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
      </ModalBody>
    </Modal>
  )
}
