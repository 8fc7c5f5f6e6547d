import { Content, Flex, FlexItem, PageSection, Title } from '@patternfly/react-core'
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
        <Flex
          justifyContent={{ default: 'justifyContentSpaceBetween' }}
          alignItems={{ default: 'alignItemsFlexStart' }}
        >
          <FlexItem grow={{ default: 'grow' }}>
            <Title headingLevel="h1" size="2xl">
              {props.title}
            </Title>
            {props.about === undefined ? null : <Content className="about">{props.about}</Content>}
          </FlexItem>
          {props.actions === undefined ? null : <FlexItem>{props.actions}</FlexItem>}
        </Flex>
      </PageSection>
      <PageSection hasBodyWrapper={false} isFilled>
        <div>{props.children}</div>
      </PageSection>
    </>
  )
}
