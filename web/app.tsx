import { Bullseye, Button, EmptyState, EmptyStateBody, Spinner } from '@patternfly/react-core'
import { Component, lazy, type ReactNode, Suspense } from 'react'
import { Link, Route, Switch, useLocation } from 'wouter'
import { AcceptTerms } from './pages/accept-terms.tsx'
import { Access } from './pages/access.tsx'
import { Accounts } from './pages/accounts.tsx'
import { Audit } from './pages/audit.tsx'
import { Auditors } from './pages/auditors.tsx'
import { CloseOuts } from './pages/close-outs.tsx'
import { Company } from './pages/company.tsx'
import { BreakGlass } from './pages/break-glass.tsx'
import { Directories } from './pages/directories.tsx'
import { Enrol } from './pages/enrol.tsx'
import { Rotation } from './pages/rotation.tsx'
import { Kits } from './pages/kits.tsx'
import { Retention } from './pages/retention.tsx'
import { AccessReviews } from './pages/access-reviews.tsx'
import { Dashboard } from './pages/dashboard.tsx'
import { Exposure } from './pages/exposure.tsx'
import { Grants } from './pages/grants.tsx'
import { Policy } from './pages/policy.tsx'
import { PolicyReach } from './pages/policy-reach.tsx'
import { Notifications } from './pages/notifications.tsx'
import { OpenedRequest, RequestPage } from './pages/request.tsx'
import { Requests } from './pages/requests.tsx'
import { Overview } from './pages/overview.tsx'
import { OwnAccount } from './pages/own-account.tsx'
import { Recordings } from './pages/recordings.tsx'
import { Reports } from './pages/reports.tsx'
import { ReviewQueue } from './pages/review-queue.tsx'
import { Safes } from './pages/safes.tsx'
import { Services } from './pages/services.tsx'
import { Sessions } from './pages/sessions.tsx'
import { SignInAnew } from './pages/sign-in-anew.tsx'
import { SignInReturn } from './pages/sign-in-return.tsx'
import { SignIn } from './pages/sign-in.tsx'
import { Switches } from './pages/switches.tsx'
import { Targets } from './pages/targets.tsx'
import { Offboarding } from './pages/offboarding.tsx'
import { Users } from './pages/users.tsx'
import { Vendors } from './pages/vendors.tsx'
import { VaultKeys } from './pages/vault-keys.tsx'
import { accountInAddress } from './pages/ssh-command.ts'
import { Page } from './parts/page.tsx'
import { Problem } from './parts/problem.tsx'
import { anewPath } from './parts/step-up.tsx'
import { SignedIn, useMe } from './shell/me.ts'
import { SignInClock } from './shell/sign-in-clock.tsx'
import { Shell } from './shell/shell.tsx'

// The terminal and the reader of recordings are loaded by who connects, watches or replays.
const Player = lazy(() => import('./player/player.tsx'))
const DesktopPage = lazy(() => import('./desktop/desktop-page.tsx'))
const TerminalPage = lazy(() => import('./terminal/terminal-page.tsx'))
const WatchPage = lazy(() => import('./watch/watch-page.tsx'))
const PolicyChangePage = lazy(() => import('./pages/policy-change.tsx'))
const Wall = lazy(() => import('./watch/wall.tsx'))

/** The console. Who is not signed in sees the sign-in page wherever they wanted to go, and goes on there afterwards. */
export function App() {
  const me = useMe()
  const [location] = useLocation()
  if (location === '/enrol') return <Enrol />
  if (location === '/sign-in/return') return <SignInReturn />
  if (location === anewPath) return <SignInAnew search={null} />
  if (me.isPending) return <Waiting />
  if (me.data === undefined)
    return (
      <Bullseye className="alone">
        <div className="alone-box">
          <Problem error={me.error} />
          <Button variant="link" onClick={() => void me.refetch()}>
            Try again
          </Button>
        </div>
      </Bullseye>
    )
  if (me.data === null) return <SignIn />
  if (me.data.owesTerms === true) return <AcceptTerms />
  if (location === '/terminal' || location === '/desktop')
    return (
      <SignedIn value={me.data}>
        <SignInClock />
        <Guard>
          <Suspense fallback={<Waiting />}>
            {location === '/desktop' ? (
              <DesktopPage account={accountInAddress()} />
            ) : (
              <TerminalPage account={accountInAddress()} />
            )}
          </Suspense>
        </Guard>
      </SignedIn>
    )
  return (
    <SignedIn value={me.data}>
      <SignInClock />
      <Shell>
        <Guard key={location}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              <Route path="/" component={Overview} />
              <Route path="/access" component={Access} />
              <Route path="/sessions" component={Sessions} />
              <Route path="/sessions/wall" component={Wall} />
              <Route path="/sessions/:session">{({ session }) => <WatchPage session={session} />}</Route>
              <Route path="/close-outs" component={CloseOuts} />
              <Route path="/recordings" component={Recordings} />
              <Route path="/recordings/:recording">
                {({ recording }) => <Player recording={recording} />}
              </Route>
              <Route path="/audit" component={Audit} />
              <Route path="/rotation" component={Rotation} />
              <Route path="/kits" component={Kits} />
              <Route path="/access-reviews" component={AccessReviews} />
              <Route path="/dashboard" component={Dashboard} />
              <Route path="/reports" component={Reports} />
              <Route path="/reviews" component={ReviewQueue} />
              <Route path="/retention" component={Retention} />
              <Route path="/exposure" component={Exposure} />
              <Route path="/safes" component={Safes} />
              <Route path="/targets" component={Targets} />
              <Route path="/accounts" component={Accounts} />
              <Route path="/users" component={Users} />
              <Route path="/services" component={Services} />
              <Route path="/vendors" component={Vendors} />
              <Route path="/vendors/:id">
                {({ id }) => (id.startsWith('off_') ? <Offboarding id={id} /> : <Company id={id} />)}
              </Route>
              <Route path="/grants" component={Grants} />
              <Route path="/requests" component={Requests} />
              <Route path="/policy">
                <Policy />
              </Route>
              <Route path="/policy/change">
                <PolicyChangePage />
              </Route>
              <Route path="/policy/reach" component={PolicyReach} />
              <Route path="/policy/open">
                <OpenedRequest under="policy" />
              </Route>
              <Route path="/policy/:request">{({ request }) => <Policy request={request} />}</Route>
              <Route path="/requests/open">
                <OpenedRequest under="requests" />
              </Route>
              <Route path="/requests/:request">{({ request }) => <RequestPage request={request} />}</Route>
              <Route path="/break-glass" component={BreakGlass} />
              <Route path="/notifications" component={Notifications} />
              <Route path="/directories" component={Directories} />
              <Route path="/switches" component={Switches} />
              <Route path="/vault-keys" component={VaultKeys} />
              <Route path="/auditors" component={Auditors} />
              <Route path="/account" component={OwnAccount} />
              <Route>
                <Page title="Nothing here">
                  <EmptyState titleText="There is no such page" headingLevel="h2">
                    <EmptyStateBody>
                      <Link href="/">Go to the overview</Link>
                    </EmptyStateBody>
                  </EmptyState>
                </Page>
              </Route>
            </Switch>
          </Suspense>
        </Guard>
      </Shell>
    </SignedIn>
  )
}

function Waiting() {
  return (
    <Bullseye className="alone">
      <Spinner aria-label="Loading" />
    </Bullseye>
  )
}

/** A page that breaks says so and leaves the rest of the console standing. */
class Guard extends Component<{ readonly children: ReactNode }, { readonly error: unknown }> {
  override state = { error: null as unknown }

  static getDerivedStateFromError(error: unknown) {
    return { error }
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children
    return (
      <Page title="This page broke">
        <Problem error={this.state.error} title="This page cannot be shown; the others can" />
      </Page>
    )
  }
}
