import type { ReportInfo } from '../contract.ts'
import type { ReportName } from '../contract/words.ts'
import type { Asking, Contents } from './cells.ts'
import { integrity, timeSync, whoWatched } from './of-log.ts'
import { accessReviews } from './of-campaigns.ts'
import { entitlements, exposureLedger, offboardings, passwordAge } from './of-secrets.ts'
import { assetAccess, breakGlass, recordingCoverage, vendorSessions } from './of-sessions.ts'

export type Pack = Omit<ReportInfo, 'name'> & { readonly make: (asking: Asking) => Promise<Contents> }

const ofTime = { isOfNow: false, takesTarget: false } as const
const ofNow = { isOfNow: true, takesTarget: false } as const

/** The evidence packs: what each answers, for which clauses, and what it is made of. */
export const packs: Readonly<Record<ReportName, Pack>> = {
  'asset-access': {
    title: 'Asset access history',
    question: 'Who touched which machine, when, from where and by whose leave?',
    clauses: [
      ...[
        'IEC 62443-3-3 SR 2.8, SR 6.1',
        'IEC 62443-2-1:2024 EVENT 1.4–1.7',
        'NIST SP 800-53r5 AU-2, AU-12, MA-4(1)',
      ],
      ...['NERC CIP-007-6 R4.1', 'Implementing Regulation (EU) 2024/2690 3.2.3(e)', 'ANSSI-PA-108 R23'],
    ],
    isOfNow: false,
    takesTarget: true,
    make: assetAccess,
  },
  'vendor-sessions': {
    title: 'Vendor session register',
    question: 'Which vendors were let in, by whom, for what, and for how long?',
    clauses: [
      ...['IEC 62443-2-1:2024 NET 3.1–3.3', 'IEC 62443-2-4 SP.07', 'NIST SP 800-53r5 MA-4, MA-4(5)'],
      ...[
        'NERC CIP-005-7 R2.4, R2.5, R3',
        'NERC CIP-013-2 R1.2',
        'Implementing Regulation (EU) 2024/2690 6.7.2(h), 11.2.2(d)(e)',
      ],
      ...['PCI DSS 4.0.1 8.2.7', 'ANSSI-PA-108 R129'],
    ],
    ...ofTime,
    make: vendorSessions,
  },
  'exposure-ledger': {
    title: 'Shared-account exposure and rotation ledger',
    question: 'Who has ever known which shared secret, and when was it changed since?',
    clauses: [
      ...[
        'NERC CIP-004-7 R5.4',
        'NERC CIP-007-6 R5.3',
        'IEC 62443-2-1:2024 USER 1.12',
        'NIST SP 800-53r5 AC-2(9), IA-5(1)',
      ],
      ...['Implementing Regulation (EU) 2024/2690 11.5.3, 11.6.2', 'PCI DSS 4.0.1 8.2.2, 8.6.3'],
    ],
    ...ofTime,
    make: exposureLedger,
  },
  entitlements: {
    title: 'Entitlements',
    question: 'Who may use what, since when, until when, and who gave it?',
    clauses: [
      ...[
        'NERC CIP-004-7 R4.1–R4.3, R6',
        'NIST SP 800-53r5 AC-5, AC-6(7)',
        'IEC 62443-2-1:2024 USER 1.1–1.5',
      ],
      'Implementing Regulation (EU) 2024/2690 11.2.2',
    ],
    ...ofNow,
    make: entitlements,
  },
  'break-glass': {
    title: 'Break-glass report',
    question: 'Who let themselves in without approval, and what did others find?',
    clauses: ['NIST SP 800-53r5 AC-3(10)', 'IEC 62443-2-1:2024 USER 2.2–2.4', 'ANSSI-PA-108 R78'],
    ...ofTime,
    make: breakGlass,
  },
  'recording-coverage': {
    title: 'Recording coverage and review status',
    question: 'Is every session recorded, is each recording whole, and has somebody looked?',
    clauses: [
      ...[
        'NIST SP 800-53r5 AU-14, MA-4(1)',
        'NERC CIP-007-6 R4.4',
        'BSI IND.3.2.A13, A14',
        'IEC 62443-3-3 SR 6.2',
      ],
    ],
    ...ofTime,
    make: recordingCoverage,
  },
  integrity: {
    title: 'Log and recording integrity',
    question: 'Are the log and the recordings what was written?',
    clauses: [
      ...[
        'IEC 62443-3-3 SR 2.12, SR 3.9',
        'NIST SP 800-53r5 AU-9(2)(3), AU-10',
        'PCI DSS 4.0.1 10.3.1–10.3.4',
      ],
      ...['Implementing Regulation (EU) 2024/2690 3.2.5', 'BSI IND.1.A15.4'],
    ],
    ...ofTime,
    make: integrity,
  },
  'password-age': {
    title: 'Default and aged passwords, and exemptions',
    question: 'Which secrets are defaults, shared or too old, and who answers for what is not changed?',
    clauses: [
      ...['NERC CIP-007-6 R5.2, R5.4–R5.6', 'IEC 62443-2-1:2024 USER 1.9', 'NIST SP 800-53r5 IA-5, IA-5(1)'],
      ...['TSA Pipeline SD 2021-02, access control', 'PCI DSS 4.0.1 8.6.3'],
    ],
    ...ofNow,
    make: passwordAge,
  },
  'time-sync': {
    title: 'Time',
    question: 'Do the times in the log hold, and when was the clock set?',
    clauses: [
      ...['IEC 62443-3-3 SR 2.11', 'IEC 62443-2-1:2024 NET 1.9', 'NIST SP 800-53r5 AU-8, SC-45(1)'],
      ...['Implementing Regulation (EU) 2024/2690 3.2.6', 'PCI DSS 4.0.1 10.6'],
    ],
    ...ofTime,
    make: timeSync,
  },
  offboarding: {
    title: 'Offboarding timing',
    question:
      'How long after somebody was taken off did their access end, and when was what they knew changed?',
    clauses: [
      ...[
        'NERC CIP-004-7 R5.1, R5.4',
        'NERC CIP-013-2 R1.2',
        'NIST SP 800-53r5 AC-2(3), AC-17(9)',
        'NIS2 Art. 21(2)(i)',
      ],
    ],
    ...ofTime,
    make: offboardings,
  },
  'who-watched-whom': {
    title: 'Who watched whom',
    question: 'Who watched live sessions or replayed recordings, and whose?',
    clauses: ['NIST SP 800-53r5 AU-14b', 'GDPR Art. 5(1)(b), 30', 'BetrVG § 87(1) no. 6'],
    isOfNow: false,
    takesTarget: true,
    make: whoWatched,
  },
  'access-reviews': {
    title: 'Access reviews',
    question: 'Who said that whom still needs what, why, and was what they took away taken?',
    clauses: [
      ...['NERC CIP-004-7 R4.2, R4.3', 'NIST SP 800-53r5 AC-6(7)', 'IEC 62443-2-1:2024 USER 1.1–1.5'],
      'Implementing Regulation (EU) 2024/2690 11.2.2',
    ],
    ...ofTime,
    make: accessReviews,
  },
}
