import { useId } from 'react'

export type Series = {
  readonly name: string
  /** A class of console.css: colours that print apart in grey, too. */
  readonly look: 'first' | 'second' | 'third'
  readonly values: readonly number[]
}

const size = { width: 720, height: 160, left: 40, bottom: 22, top: 6 } as const

/** Bars by day, one on the other, and the same as a table below: whoever cannot see them reads it, and so does a printer. */
export function Bars({
  title,
  days,
  series,
}: {
  readonly title: string
  readonly days: readonly string[]
  readonly series: readonly Series[]
}) {
  const id = useId()
  const sums = days.map((_day, at) => series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0))
  const top = roundUp(Math.max(1, ...sums))
  const step = (size.width - size.left) / Math.max(1, days.length)
  const room = size.height - size.bottom - size.top
  const heightOf = (value: number) => (value / top) * room
  const labelled = Math.max(1, Math.ceil(days.length / 8))
  return (
    <figure className="bars">
      <figcaption id={id}>
        <h3>{title}</h3>
        <span className="legend">
          {series.map(({ name, look, values }) => (
            <span key={name}>
              <svg width="12" height="12" aria-hidden="true">
                <rect width="12" height="12" className={`bar-${look}`} />
              </svg>{' '}
              {name}: {values.reduce((sum, value) => sum + value, 0)}
            </span>
          ))}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${size.width} ${size.height}`} role="img" aria-labelledby={id}>
        {[0, top / 2, top].map((value) => (
          <g key={value}>
            <line
              className="bar-line"
              x1={size.left}
              x2={size.width}
              y1={size.height - size.bottom - heightOf(value)}
              y2={size.height - size.bottom - heightOf(value)}
            />
            <text x={size.left - 6} y={size.height - size.bottom - heightOf(value) + 4} textAnchor="end">
              {value}
            </text>
          </g>
        ))}
        {days.map((day, at) => {
          let y = size.height - size.bottom
          return (
            <g key={day}>
              {series.map(({ name, look, values }) => {
                const height = heightOf(values[at] ?? 0)
                y -= height
                return height === 0 ? null : (
                  <rect
                    key={name}
                    className={`bar-${look}`}
                    x={size.left + at * step + step * 0.1}
                    width={step * 0.8}
                    y={y}
                    height={height}
                  >
                    <title>{`${day}, ${name}: ${values[at]}`}</title>
                  </rect>
                )
              })}
              {at % labelled === 0 ? (
                <text x={size.left + at * step + step / 2} y={size.height - 6} textAnchor="middle">
                  {day.slice(5)}
                </text>
              ) : null}
            </g>
          )
        })}
      </svg>
      <details>
        <summary>As a table: {title}</summary>
        <table className="figures">
          <thead>
            <tr>
              <th scope="col">Day</th>
              {series.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days.map((day, at) => (
              <tr key={day}>
                <th scope="row">{day}</th>
                {series.map(({ name, values }) => (
                  <td key={name}>{values[at] ?? 0}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  )
}

/** An even number that ends a scale: 2, 4, 6, 8, 10, 20, 40 … */
function roundUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(value))
  return [2, 4, 6, 8, 10].map((times) => times * step).find((end) => end >= value) ?? value
}
