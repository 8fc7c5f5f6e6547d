import type { z } from 'zod'
import { type AuditAnswers, auditVerbs } from './contract/audit.ts'
import { type CheckoutAnswers, checkoutVerbs } from './contract/checkout.ts'
import { type DestructionAnswers, destructionVerbs } from './contract/destruction.ts'
import { type DirectoriesAnswers, directoriesVerbs } from './contract/directories.ts'
import { type ImportAnswers, importVerbs } from './contract/import.ts'
import { type KeysAnswers, keysVerbs } from './contract/keys.ts'
import { type KitsAnswers, kitsVerbs } from './contract/kits.ts'
import { type NotificationsAnswers, notificationsVerbs } from './contract/notifications.ts'
import { type OidcAnswers, oidcVerbs } from './contract/oidc.ts'
import { type PolicyAnswers, policyVerbs } from './contract/policy.ts'
import { type CampaignsAnswers, campaignsVerbs } from './contract/campaigns.ts'
import { type DashboardAnswers, dashboardVerbs } from './contract/dashboard.ts'
import { type ReportsAnswers, reportsVerbs } from './contract/reports.ts'
import { type RiskAnswers, riskVerbs } from './contract/risk.ts'
import { type RotationAnswers, rotationVerbs } from './contract/rotation.ts'
import { type RecordingsAnswers, recordingsVerbs } from './contract/recordings.ts'
import { type RecorderAnswers, recorderVerbs } from './contract/recorder.ts'
import { type RetentionAnswers, retentionVerbs } from './contract/retention.ts'
import { type SafesAnswers, safesVerbs } from './contract/safes.ts'
import { type ServicesAnswers, servicesVerbs } from './contract/services.ts'
import { type CloseoutAnswers, closeoutVerbs } from './contract/closeout.ts'
import { type SessionsAnswers, sessionsVerbs } from './contract/sessions.ts'
import { type SiemAnswers, siemVerbs } from './contract/siem.ts'
import { type SwitchesAnswers, switchesVerbs } from './contract/switches.ts'
import { type TaskAnswers, taskVerbs } from './contract/tasks.ts'
import { type UsersAnswers, usersVerbs } from './contract/users.ts'
import { type VendorsAnswers, vendorsVerbs } from './contract/vendors.ts'

export * from './contract/audit.ts'
export * from './contract/checkout.ts'
export * from './contract/destruction.ts'
export * from './contract/directories.ts'
export * from './contract/import.ts'
export * from './contract/keys.ts'
export * from './contract/kits.ts'
export * from './contract/notifications.ts'
export * from './contract/oidc.ts'
export * from './contract/policy.ts'
export * from './contract/recorder.ts'
export * from './contract/recordings.ts'
export * from './contract/retention.ts'
export * from './contract/rotation.ts'
export * from './contract/safes.ts'
export * from './contract/services.ts'
export * from './contract/closeout.ts'
export * from './contract/sessions.ts'
export {
  type Door,
  type FreshCode,
  loginName,
  mailAddress,
  nameText,
  type PasskeyProof,
  type SignInCode,
} from './contract/shapes.ts'
export * from './contract/campaigns.ts'
export * from './contract/dashboard.ts'
export * from './contract/reports.ts'
export * from './contract/risk.ts'
export * from './contract/siem.ts'
export * from './contract/switches.ts'
export * from './contract/tasks.ts'
export * from './contract/users.ts'
export * from './contract/vendors.ts'
export * from './contract/words.ts'

/**
 * What the vault can be asked: one entry per verb, with the shape of its input (checked by the vault at its edge)
 * and the type of its answer. Everybody who asks (console, CLI, recorder) asks through these.
 *
 * `door` says through which doors a verb may be called at all; whether this caller may is decided per call by
 * `policy.decide`.
 */
export const verbs = {
  ...keysVerbs,
  ...kitsVerbs,
  ...usersVerbs,
  ...servicesVerbs,
  ...oidcVerbs,
  ...vendorsVerbs,
  ...directoriesVerbs,
  ...safesVerbs,
  ...importVerbs,
  ...checkoutVerbs,
  ...policyVerbs,
  ...switchesVerbs,
  ...notificationsVerbs,
  ...siemVerbs,
  ...riskVerbs,
  ...reportsVerbs,
  ...dashboardVerbs,
  ...campaignsVerbs,
  ...closeoutVerbs,
  ...sessionsVerbs,
  ...recordingsVerbs,
  ...retentionVerbs,
  ...destructionVerbs,
  ...auditVerbs,
  ...rotationVerbs,
  ...taskVerbs,
  ...recorderVerbs,
} as const

export type VerbName = keyof typeof verbs
export type VerbInput<Name extends VerbName> = z.input<(typeof verbs)[Name]['input']>

/** The answer of each verb. `null` where there is nothing to say but that it is done. */
export type VerbAnswers = KeysAnswers &
  KitsAnswers &
  UsersAnswers &
  ServicesAnswers &
  OidcAnswers &
  VendorsAnswers &
  DirectoriesAnswers &
  SafesAnswers &
  ImportAnswers &
  CheckoutAnswers &
  PolicyAnswers &
  SwitchesAnswers &
  NotificationsAnswers &
  SiemAnswers &
  RiskAnswers &
  ReportsAnswers &
  DashboardAnswers &
  CampaignsAnswers &
  CloseoutAnswers &
  SessionsAnswers &
  RecordingsAnswers &
  RetentionAnswers &
  DestructionAnswers &
  AuditAnswers &
  RotationAnswers &
  TaskAnswers &
  RecorderAnswers
export type VerbAnswer<Name extends VerbName> = VerbAnswers[Name]
