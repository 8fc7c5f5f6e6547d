import type { PolicyPlan, PolicyView } from '../../vault/contract.ts'
import { changedLines } from '../../vault/policy/difference.ts'
import { visible } from '../parts/wording.ts'

/** The parts of a policy that change, line by line. */
export default function PolicyDifference(props: {
  readonly changes: PolicyPlan['changes']
  readonly present: PolicyView['document']
  readonly wanted: PolicyView['document']
}) {
  return (
    <ul className="plain differences">
      {props.changes.map((change) => {
        const lines = changedLines(props.present, props.wanted, change)
        return (
          <li key={`${change.what} ${change.name}`}>
            <div>
              {change.what} {visible(change.name)}: {change.change}
            </div>
            {typeof lines === 'string' ? (
              <div className="quiet small">{lines}</div>
            ) : (
              <pre className="mono small difference">
                {lines.map(({ sign, text }, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text, which never move
                  <div key={at} className={sign === '+' ? 'line-new' : sign === '-' ? 'line-gone' : ''}>
                    {sign} {visible(text)}
                  </div>
                ))}
              </pre>
            )}
          </li>
        )
      })}
    </ul>
  )
}
