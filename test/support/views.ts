import type {
  AccountView,
  GrantView,
  RecordingFound,
  SafeView,
  SessionView,
  TargetView,
} from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'

/** What lists show of a plant, for tests that make an answer up: all of it, but for what a test says of it. */

const at = () => new Date().toISOString()
const inAnHour = () => new Date(Date.now() + 3600_000).toISOString()

export function safeView(said: Partial<SafeView> = {}): SafeView {
  return {
    id: newId('saf'),
    name: 'line-3',
    inputPolicy: 'echoed',
    watchNotice: true,
    approvals: 1,
    closeOut: 'none',
    notifications: { unansweredMinutes: 30, escalateTo: null, sessions: false },
    exposureDays: 7,
    breakGlass: null,
    targets: 0,
    accounts: 0,
    members: [],
    createdAt: at(),
    ...said,
  }
}

export function targetView(said: Partial<TargetView> = {}): TargetView {
  return {
    id: newId('tgt'),
    name: 'press-3',
    safe: 'line-3',
    protocol: 'ssh',
    host: '192.0.2.3',
    port: 22,
    pins: [],
    changedKey: null,
    legacy: null,
    mask: null,
    fileMegabytes: null,
    desktop: null,
    tags: [],
    zone: null,
    createdAt: at(),
    ...said,
  }
}

export function accountView(said: Partial<AccountView> = {}): AccountView {
  return {
    id: newId('acc'),
    name: 'press-3/engineer',
    target: 'press-3',
    protocol: 'ssh',
    login: 'engineer',
    safe: 'line-3',
    credential: { kind: 'password', version: 1, at: at() },
    boundTo: ['press-3'],
    elevation: null,
    typeIns: [],
    files: null,
    holder: null,
    createdAt: at(),
    ...said,
  }
}

export function grantView(said: Partial<GrantView> = {}): GrantView {
  return {
    id: newId('grt'),
    user: 'bob',
    account: 'press-3/engineer',
    actions: ['shell'],
    forwards: [],
    notBefore: at(),
    notAfter: inAnHour(),
    maxSessionSeconds: 43_200,
    mode: 'shared',
    reason: '',
    state: 'active',
    grantedBy: 'local:0',
    createdAt: at(),
    ...said,
  }
}

export function sessionView(said: Partial<SessionView> = {}): SessionView {
  return {
    id: newId('ses'),
    recording: newId('rec'),
    user: 'bob',
    account: 'press-3/engineer',
    target: 'press-3',
    protocol: 'ssh',
    grant: newId('grt'),
    source: '192.0.2.7',
    state: 'live',
    startedAt: at(),
    endsAt: inAnHour(),
    endedAt: null,
    lastActivityAt: null,
    freeze: null,
    takenBy: null,
    endReason: null,
    endedBy: null,
    watchers: [],
    forward: null,
    credentialSetByOther: false,
    breakGlass: null,
    ...said,
  }
}

export function recordingView(said: Partial<RecordingFound> = {}): RecordingFound {
  return {
    id: newId('rec'),
    session: newId('ses'),
    user: 'bob',
    account: 'press-3/engineer',
    target: 'press-3',
    protocol: 'ssh',
    grant: newId('grt'),
    source: '192.0.2.7',
    startedAt: at(),
    endedAt: at(),
    endReason: 'closed by the user',
    forward: null,
    breakGlass: null,
    state: 'complete',
    sizeBytes: 0,
    safe: 'line-3',
    company: null,
    zone: null,
    letInBy: [],
    workOrders: [],
    marks: [],
    reviews: [],
    keeping: null,
    destroyed: null,
    ...said,
  }
}
