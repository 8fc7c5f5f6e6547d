import {
  AlertActionCloseButton,
  Button,
  Label,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  Nav,
  NavGroup,
  NavItem,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
} from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link, useLocation } from 'wouter'
import { lockKeyring, useKeyring } from '../sealed/keyring.ts'
import { DemoBanner } from './demo-banner.tsx'
import { Note } from '../parts/note.tsx'
import { signOut, useSaid, useStatus, useUser } from './me.ts'
import { useCompanies } from '../pages/lists.ts'
import { groups, maySponsor, placesOf } from './nav.ts'

/** What surrounds each page: brand, who is signed in, and where one can go. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const user = useUser()
  const status = useStatus()
  const keyring = useKeyring()
  const client = useQueryClient()
  const [location] = useLocation()
  const companies = useCompanies(maySponsor(user.roles))
  const mine = placesOf(user.roles, (companies.data ?? []).length > 0)

  const masthead = (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton isHamburgerButton variant="plain" aria-label="Navigation" />
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo component={(props) => <Link {...props} href="/" />}>
            <Brand />
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <div className="masthead-tools">
          {status.data?.sealed === true ? <Label color="orange">vault sealed</Label> : null}
          {keyring === null ? null : (
            <Button variant="secondary" size="sm" onClick={lockKeyring}>
              Lock auditor key
            </Button>
          )}
          <Link href="/account" className="who">
            <span className="who-name">{user.name}</span>
            <span className="who-roles">{user.roles.join(', ')}</span>
          </Link>
          <Button variant="link" onClick={() => void signOut(client)}>
            Sign out
          </Button>
        </div>
      </MastheadContent>
    </Masthead>
  )
  const sidebar = (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label="Console">
          {groups.map((group) => {
            const here = mine.filter((place) => place.group === group)
            if (here.length === 0) return null
            return (
              <NavGroup key={group} title={group}>
                {here.map(({ path, title }) => {
                  const active = location === path || (path !== '/' && location.startsWith(`${path}/`))
                  return (
                    <NavItem key={path} isActive={active}>
                      <Link href={path} aria-current={active ? 'page' : undefined}>
                        {title}
                      </Link>
                    </NavItem>
                  )
                })}
              </NavGroup>
            )
          })}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  )
  return (
    <Page
      masthead={masthead}
      banner={<DemoBanner />}
      sidebar={sidebar}
      isManagedSidebar
      mainContainerId="main"
      skipToContent={<SkipToContent href="#main">Skip to content</SkipToContent>}
    >
      <RecoveryNotice />
      {children}
    </Page>
  )
}

/** Told once after a sign-in by a recovery code. */
function RecoveryNotice() {
  const { text, close } = useSaid('recovery codes')
  if (text === undefined) return null
  return (
    <Note
      variant="warning"
      title={`You signed in with a recovery code. ${text}`}
      actionClose={<AlertActionCloseButton onClose={close} />}
    >
      Approving, revealing and the like take your authenticator still. Is it lost? Ask an administrator for a
      new link. It was not you? Change that now: <Link href="/account">end the other sign-ins</Link>, and tell
      an administrator.
    </Note>
  )
}

export function Brand() {
  return (
    <span className="brand">
      <img src="/tag.svg" alt="" width="26" height="26" />
      <span>Tagout</span>
    </span>
  )
}
