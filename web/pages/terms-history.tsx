import { Card, CardBody, CardTitle, Content, ExpandableSection } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { VerbAnswer } from '../../vault/contract.ts'
import { at, get } from '../api.ts'
import { Name } from '../parts/name.tsx'
import { Problem } from '../parts/problem.tsx'
import { TermsText } from '../parts/terms.tsx'
import { Moment } from '../parts/when.tsx'

/** Terms that a company had before: each text, and who accepted it. Nothing where there are none. */
export function TermsHistory(props: { readonly company: string; readonly present: string | null }) {
  const history = useQuery({
    queryKey: ['terms', props.company, props.present],
    queryFn: () => get<VerbAnswer<'company.terms'>>(at`/api/companies/${props.company}/terms`),
  })
  const earlier = history.data?.filter(({ isPresent }) => !isPresent) ?? []
  if (history.error !== null) return <Problem error={history.error} />
  if (earlier.length === 0) return null
  return (
    <Card>
      <CardTitle component="h2">Earlier terms</CardTitle>
      <CardBody>
        {earlier.map(({ digest, text, acceptances }) => (
          <ExpandableSection key={digest} toggleText={`SHA-256 ${digest.slice(0, 16)}…`}>
            {text === null ? (
              <Content component="p">Its text was replaced before texts were kept.</Content>
            ) : (
              <TermsText text={text} />
            )}
            <Content component="p" className="quiet small">
              SHA-256 <span className="mono">{digest}</span>
            </Content>
            {acceptances.map((one) => (
              <Content component="p" key={`${one.user} ${one.at}`}>
                Accepted by <Name of={one.user} />, <Moment at={one.at} />
              </Content>
            ))}
          </ExpandableSection>
        ))}
      </CardBody>
    </Card>
  )
}
