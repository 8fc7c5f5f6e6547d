import { Content, PageSection, Title } from '@patternfly/react-core'
import { type ReactNode, useEffect } from 'react'

/** A page of the console: its name, one sentence of what it is for, what can be done, and the content. */
export function Page(props: {
  readonly title: string
  readonly about?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
}) {
  useEffect(() => {
    document.title = `${props.title} · Tagout`
  }, [props.title])
  return (
    <>
      <PageSection hasBodyWrapper={false}>
        <div className="page-head">
          <div className="page-name">
            <Title headingLevel="h1" size="2xl">
              {props.title}
            </Title>
            {props.about === undefined ? null : <Content className="about">{props.about}</Content>}
          </div>
          {props.actions === undefined ? null : <div>{props.actions}</div>}
        </div>
      </PageSection>
      <PageSection hasBodyWrapper={false} isFilled>
        <div>{props.children}</div>
      </PageSection>
    </>
  )
}
