import { accountElevation } from './accounts/elevation.ts'
import { accountFiles } from './accounts/files.ts'
import { accountTypeIns } from './accounts/type-ins.ts'
import { accountReveal } from './accounts/reveal.ts'
import { exposureDue, exposureList } from './accounts/exposures.ts'
import {
  accountAdd,
  accountBind,
  accountList,
  accountRemove,
  accountSecret,
  accountShow,
} from './accounts/verbs.ts'
import {
  auditCheckpoint,
  auditExport,
  auditFind,
  auditList,
  auditProve,
  auditReindex,
  auditVerify,
} from './audit-verbs.ts'
import { backupDrilled, backupPage, backupTablesVerb } from './backup.ts'
import { breakglassOpen } from './breakglass/open.ts'
import { breakglassReview } from './breakglass/review.ts'
import { breakglassList } from './breakglass/view.ts'
import { importRows } from './import/verb.ts'
import { policyApply, policyPlan, policyShow } from './access/apply.ts'
import { policyApprove, policyAsk, policyRequest, policyRequests, policyWithdraw } from './access/two.ts'
import { policyExplain, policyReach } from './access/explain.ts'
import { requestDecide } from './checkout/approval.ts'
import { grantAdd, grantList, grantRevoke } from './checkout/grant.ts'
import { requestExtend } from './checkout/extension.ts'
import { requestAdd, requestList, requestShow, requestWithdraw } from './checkout/request.ts'
import { accessList, favouriteSet } from './checkout/access.ts'
import { leaseCheckIn, leaseCheckOut, leaseList } from './checkout/lease.ts'
import { handoverAccept, handoverEnd, handoverList, handoverOffer } from './checkout/hand-over.ts'
import { leaseLeave, leaseQueue, leaseWait } from './checkout/queue.ts'
import { liveOpen, ticketIssue, ticketRedeem } from './checkout/ticket.ts'
import { custodyPrepare, sealConfirm, sealRenewRecovery } from './custody/ceremony.ts'
import { keysRotate, keysStatus } from './custody/rotation.ts'
import { sealAdd, sealList, sealRehearse, sealRemove } from './custody/seals.ts'
import { custodyForget, custodyShare } from './custody/share.ts'
import { kitConfirm, kitEnd, kitPrepare } from './kits/kit.ts'
import { kitReport } from './kits/opening.ts'
import { kitList } from './kits/view.ts'
import { kitWrite } from './kits/write.ts'
import { evidenceGather, evidenceSign } from './evidence/verbs.ts'
import { recordingFind, recordingShow } from './recordings/find.ts'
import { recordingSearch, recordingSearchable } from './recordings/searchable.ts'
import {
  retentionFloor,
  retentionList,
  retentionRemove,
  retentionSet,
  safeRetention,
} from './retention/classes.ts'
import {
  destructionApprove,
  destructionAsk,
  destructionDue,
  destructionList,
  destructionWithdraw,
} from './retention/destruction.ts'
import {
  destructionDone,
  destructionSign,
  destructionTake,
  recordingExpected,
  recordingMissing,
} from './retention/tombstones.ts'
import { legalHoldKeep, legalHoldLift, legalHoldList, legalHoldPlace } from './retention/holds.ts'
import { recordingNote, recordingNotes } from './recordings/notes.ts'
import { recordingReview } from './recordings/review.ts'
import { campaignClose, campaignDecide, campaignStart } from './campaigns/verbs.ts'
import { campaignList, campaignShow } from './campaigns/view.ts'
import { dashboardShow } from './dashboard/show.ts'
import { reportList, reportMake } from './reports/verbs.ts'
import { riskList, riskReview, riskSet, riskSettings } from './risk/verbs.ts'
import { filterList, filterRemove, filterRename, filterSave } from './recordings/saved-filters.ts'
import { auditorAppend, auditorChallenge, auditorLists, auditorLogin } from './identity/auditor.ts'
import { enrolmentBegin, enrolmentFinish } from './identity/enrolment.ts'
import {
  loginEnd,
  loginList,
  loginLocal,
  loginRevoke,
  loginRevokeAll,
  loginStart,
  loginWho,
} from './identity/login.ts'
import { loginConfirm } from './identity/factor.ts'
import { sshFactor } from './sessions/factor.ts'
import { sshPassword, sshPublickey, sshTicket } from './identity/ssh-proof.ts'
import { userMail } from './identity/mail.ts'
import { userSamePerson } from './identity/same-person.ts'
import {
  loginChallenge,
  loginPasskey,
  passkeyAdd,
  passkeyBegin,
  passkeyChallenge,
  passkeyList,
  passkeyRemove,
} from './identity/passkey.ts'
import { userRenewCodes } from './identity/recovery-code.ts'
import { userKeyAdd, userKeyList, userKeyRemove } from './identity/user-key.ts'
import {
  userAdd,
  userDisable,
  userEnable,
  userEnrol,
  userList,
  userRoles,
  userShow,
} from './identity/user.ts'
import { status, vaultInitialise, vaultSeal, vaultUnseal } from './lifecycle/verbs.ts'
import { notificationDone, notificationOpen, notificationTake } from './notifications/outbox.ts'
import {
  notificationStatus,
  notificationTest,
  notificationTestWebhook,
  webhookSet,
} from './notifications/verbs.ts'
import { siemDone, siemTake } from './siem/feed.ts'
import { siemAdd, siemList, siemRemove } from './siem/verbs.ts'
import { recordingAuthorise, recordingReadable } from './release/authorise.ts'
import { rotationLimit, rotationLimits } from './rotation/limits.ts'
import { rotationCalendar } from './rotation/due-calendar.ts'
import { rotationLeak } from './rotation/leak.ts'
import { rotationFindings } from './rotation/findings.ts'
import { rotationLedger } from './rotation/ledger.ts'
import { rotationAccounts } from './rotation/overview.ts'
import {
  rotationRecipeAdd,
  rotationRecipeRemove,
  rotationRecipes,
  rotationRecipeShow,
} from './rotation/recipes/verbs.ts'
import { rotationConnectors, rotationSet, rotationSettings } from './rotation/settings.ts'
import { rotationDue, rotationReport, rotationSign, rotationStep } from './rotation/steps.ts'
import {
  taskApprove,
  taskDrop,
  taskList,
  taskMake,
  taskPostpone,
  taskRelease,
  taskReveal,
  taskSign,
  taskTake,
} from './rotation/task-verbs.ts'
import {
  rotationBatch,
  rotationCancel,
  rotationHold,
  rotationHolds,
  rotationList,
  rotationPlan,
  rotationRetry,
  rotationShow,
  rotationStart,
  rotationUnhold,
  rotationVerify,
} from './rotation/verbs.ts'
import {
  safeAdd,
  safeApprovals,
  safeCloseOut,
  safeBreakGlass,
  safeExposure,
  safeList,
  safeMemberSet,
  safeNotifications,
  safeWatchNotice,
} from './safes/safe.ts'
import { sessionCheckpoint } from './sessions/checkpoints.ts'
import { sessionElevate } from './sessions/elevate.ts'
import { sessionFiles, sessionFilesLogin } from './sessions/files.ts'
import { sessionTypeIn } from './sessions/type-in.ts'
import { sessionEnd, sessionTerminate } from './sessions/end.ts'
import { sessionFreeze, sessionMessage, sessionUnfreeze } from './sessions/freeze.ts'
import { recorderHello } from './sessions/hello.ts'
import { sessionForwarding } from './sessions/forward-room.ts'
import { holdList, holdRelease } from './sessions/hold.ts'
import { sessionOpen } from './sessions/open.ts'
import {
  sessionClipboard,
  sessionConnected,
  sessionEvent,
  sessionFile,
  sessionForwarded,
} from './sessions/progress.ts'
import { sessionSign } from './sessions/sign.ts'
import { recorderSpace } from './sessions/space.ts'
import { sessionStart } from './sessions/start.ts'
import { recordingList, sessionList, sessionShow } from './sessions/view.ts'
import { targetLegacy } from './targets/legacy.ts'
import { targetMask } from './targets/mask.ts'
import { targetScan } from './targets/scan.ts'
import {
  targetAdd,
  targetAddress,
  targetChange,
  targetList,
  targetPin,
  targetRemove,
  targetShow,
} from './targets/verbs.ts'
import { closeoutFill, closeoutList, closeoutShow } from './closeout/close-out.ts'
import { sessionGiveBack, sessionTake } from './sessions/take.ts'
import { sessionWatch, watchEnd } from './sessions/watch.ts'
import { companyAdd, companyChange, companyList, companyOn } from './vendors/company.ts'
import { companyOff, offboardingList, offboardingShow, userOff } from './vendors/offboarding.ts'
import { companyInvite, companyShow } from './vendors/representative.ts'
import { tokenAdd, tokenList, tokenRevoke } from './services/token.ts'
import { loginFinish, loginLeave, loginProviders, loginReturn } from './directory/oidc-sign-in.ts'
import { loginStepUp, loginStepUpReturn } from './directory/step-up.ts'
import { companyTerms, termsAccept, termsShow } from './vendors/terms.ts'
import {
  directoryAdd,
  directoryChange,
  directoryList,
  directoryMap,
  directoryRemove,
  directoryShow,
  directorySync,
  directoryTest,
} from './directory/verbs.ts'
import {
  switchAdd,
  switchCall,
  switchChange,
  switchInputs,
  switchKey,
  switchList,
  switchRemove,
  switchSense,
} from './switches/verbs.ts'
import { switchTest, switchTested, switchTests } from './switches/test.ts'
import type { Handlers } from './world.ts'

/** Which function does which verb. The compiler refuses a verb without one. */
export const handlers: Handlers = {
  status,
  'vault.initialise': vaultInitialise,
  'vault.unseal': vaultUnseal,
  'vault.seal': vaultSeal,
  'seal.list': sealList,
  'seal.add': sealAdd,
  'seal.remove': sealRemove,
  'seal.rehearse': sealRehearse,
  'seal.renewRecovery': sealRenewRecovery,
  'seal.confirm': sealConfirm,
  'custody.prepare': custodyPrepare,
  'custody.share': custodyShare,
  'custody.forget': custodyForget,
  'kit.list': kitList,
  'kit.prepare': kitPrepare,
  'kit.confirm': kitConfirm,
  'kit.end': kitEnd,
  'kit.write': kitWrite,
  'kit.report': kitReport,
  'rotation.connectors': rotationConnectors,
  'rotation.recipes': rotationRecipes,
  'rotation.recipe.show': rotationRecipeShow,
  'rotation.recipe.add': rotationRecipeAdd,
  'rotation.recipe.remove': rotationRecipeRemove,
  'rotation.settings': rotationSettings,
  'rotation.set': rotationSet,
  'rotation.plan': rotationPlan,
  'rotation.start': rotationStart,
  'rotation.batch': rotationBatch,
  'rotation.verify': rotationVerify,
  'rotation.leak': rotationLeak,
  'rotation.ledger': rotationLedger,
  'rotation.calendar': rotationCalendar,
  'rotation.accounts': rotationAccounts,
  'rotation.findings': rotationFindings,
  'rotation.list': rotationList,
  'rotation.show': rotationShow,
  'rotation.cancel': rotationCancel,
  'rotation.retry': rotationRetry,
  'rotation.hold': rotationHold,
  'rotation.unhold': rotationUnhold,
  'rotation.holds': rotationHolds,
  'rotation.limit': rotationLimit,
  'rotation.limits': rotationLimits,
  'rotation.due': rotationDue,
  'rotation.step': rotationStep,
  'rotation.sign': rotationSign,
  'rotation.report': rotationReport,
  'task.list': taskList,
  'task.take': taskTake,
  'task.approve': taskApprove,
  'task.reveal': taskReveal,
  'task.make': taskMake,
  'task.sign': taskSign,
  'task.release': taskRelease,
  'task.drop': taskDrop,
  'task.postpone': taskPostpone,
  'keys.rotate': keysRotate,
  'keys.status': keysStatus,
  'user.add': userAdd,
  import: importRows,
  'user.list': userList,
  'user.show': userShow,
  'user.roles': userRoles,
  'user.disable': userDisable,
  'user.enable': userEnable,
  'user.enrol': userEnrol,
  'user.mail': userMail,
  'user.samePerson': userSamePerson,
  'user.renewCodes': userRenewCodes,
  'user.key.add': userKeyAdd,
  'user.key.list': userKeyList,
  'user.key.remove': userKeyRemove,
  'user.off': userOff,
  'token.add': tokenAdd,
  'token.list': tokenList,
  'token.revoke': tokenRevoke,
  'company.add': companyAdd,
  'company.list': companyList,
  'company.show': companyShow,
  'company.change': companyChange,
  'company.invite': companyInvite,
  'company.off': companyOff,
  'company.on': companyOn,
  'offboarding.list': offboardingList,
  'offboarding.show': offboardingShow,
  'terms.show': termsShow,
  'terms.accept': termsAccept,
  'enrolment.begin': enrolmentBegin,
  'enrolment.finish': enrolmentFinish,
  'login.start': loginStart,
  'login.providers': loginProviders,
  'login.leave': loginLeave,
  'login.return': loginReturn,
  'login.finish': loginFinish,
  'login.stepUp': loginStepUp,
  'login.stepUpReturn': loginStepUpReturn,
  'login.confirm': loginConfirm,
  'login.challenge': loginChallenge,
  'login.passkey': loginPasskey,
  'passkey.challenge': passkeyChallenge,
  'passkey.begin': passkeyBegin,
  'passkey.add': passkeyAdd,
  'passkey.list': passkeyList,
  'passkey.remove': passkeyRemove,
  'login.who': loginWho,
  'login.end': loginEnd,
  'login.list': loginList,
  'login.revoke': loginRevoke,
  'login.revokeAll': loginRevokeAll,
  'login.local': loginLocal,
  'safe.add': safeAdd,
  'safe.watchNotice': safeWatchNotice,
  'safe.closeOut': safeCloseOut,
  'safe.approvals': safeApprovals,
  'safe.notifications': safeNotifications,
  'safe.breakGlass': safeBreakGlass,
  'retention.list': retentionList,
  'retention.set': retentionSet,
  'retention.remove': retentionRemove,
  'retention.floor': retentionFloor,
  'safe.retention': safeRetention,
  'legalhold.list': legalHoldList,
  'legalhold.place': legalHoldPlace,
  'legalhold.lift': legalHoldLift,
  'legalhold.keep': legalHoldKeep,
  'destruction.due': destructionDue,
  'destruction.ask': destructionAsk,
  'destruction.list': destructionList,
  'destruction.approve': destructionApprove,
  'destruction.withdraw': destructionWithdraw,
  'destruction.take': destructionTake,
  'destruction.sign': destructionSign,
  'destruction.done': destructionDone,
  'recording.expected': recordingExpected,
  'recording.missing': recordingMissing,
  'safe.list': safeList,
  'safe.member.set': safeMemberSet,
  'target.add': targetAdd,
  'target.list': targetList,
  'target.show': targetShow,
  'target.change': targetChange,
  'target.address': targetAddress,
  'target.scan': targetScan,
  'target.pin': targetPin,
  'target.legacy': targetLegacy,
  'target.mask': targetMask,
  'target.remove': targetRemove,
  'account.add': accountAdd,
  'account.list': accountList,
  'account.show': accountShow,
  'account.secret': accountSecret,
  'account.bind': accountBind,
  'account.elevation': accountElevation,
  'account.type-ins': accountTypeIns,
  'account.files': accountFiles,
  'account.remove': accountRemove,
  'account.reveal': accountReveal,
  'exposure.list': exposureList,
  'exposure.due': exposureDue,
  'safe.exposure': safeExposure,
  'company.terms': companyTerms,
  'grant.add': grantAdd,
  'grant.list': grantList,
  'grant.revoke': grantRevoke,
  'directory.add': directoryAdd,
  'directory.list': directoryList,
  'directory.show': directoryShow,
  'directory.change': directoryChange,
  'directory.map': directoryMap,
  'directory.remove': directoryRemove,
  'directory.sync': directorySync,
  'directory.test': directoryTest,
  'switch.add': switchAdd,
  'switch.list': switchList,
  'switch.key': switchKey,
  'switch.change': switchChange,
  'switch.test': switchTest,
  'switch.tests': switchTests,
  'switch.tested': switchTested,
  'switch.remove': switchRemove,
  'switch.call': switchCall,
  'switch.inputs': switchInputs,
  'switch.sense': switchSense,
  'policy.show': policyShow,
  'policy.plan': policyPlan,
  'policy.apply': policyApply,
  'policy.ask': policyAsk,
  'policy.requests': policyRequests,
  'policy.request': policyRequest,
  'policy.approve': policyApprove,
  'policy.withdraw': policyWithdraw,
  'policy.explain': policyExplain,
  'policy.reach': policyReach,
  'request.add': requestAdd,
  'request.extend': requestExtend,
  'request.list': requestList,
  'request.show': requestShow,
  'request.withdraw': requestWithdraw,
  'request.decide': requestDecide,
  'breakglass.open': breakglassOpen,
  'breakglass.list': breakglassList,
  'breakglass.review': breakglassReview,
  'notification.status': notificationStatus,
  'notification.test': notificationTest,
  'notification.testWebhook': notificationTestWebhook,
  'notification.open': notificationOpen,
  'webhook.set': webhookSet,
  'notification.take': notificationTake,
  'notification.done': notificationDone,
  'siem.list': siemList,
  'siem.add': siemAdd,
  'siem.remove': siemRemove,
  'siem.take': siemTake,
  'siem.done': siemDone,
  'lease.checkOut': leaseCheckOut,
  'lease.checkIn': leaseCheckIn,
  'lease.list': leaseList,
  'lease.wait': leaseWait,
  'lease.leave': leaseLeave,
  'lease.queue': leaseQueue,
  'handover.offer': handoverOffer,
  'handover.accept': handoverAccept,
  'handover.end': handoverEnd,
  'handover.list': handoverList,
  'access.list': accessList,
  'favourite.set': favouriteSet,
  'ticket.issue': ticketIssue,
  'ticket.redeem': ticketRedeem,
  'live.open': liveOpen,
  'closeout.list': closeoutList,
  'closeout.show': closeoutShow,
  'closeout.fill': closeoutFill,
  'session.list': sessionList,
  'session.show': sessionShow,
  'session.terminate': sessionTerminate,
  'session.freeze': sessionFreeze,
  'session.unfreeze': sessionUnfreeze,
  'session.message': sessionMessage,
  'session.watch': sessionWatch,
  'session.take': sessionTake,
  'session.giveBack': sessionGiveBack,
  'watch.end': watchEnd,
  'hold.list': holdList,
  'hold.release': holdRelease,
  'recording.list': recordingList,
  'recording.show': recordingShow,
  'recording.readable': recordingReadable,
  'recording.search': recordingSearch,
  'evidence.gather': evidenceGather,
  'evidence.sign': evidenceSign,
  'recording.find': recordingFind,
  'recording.notes': recordingNotes,
  'recording.note': recordingNote,
  'recording.review': recordingReview,
  'campaign.list': campaignList,
  'campaign.show': campaignShow,
  'campaign.start': campaignStart,
  'campaign.decide': campaignDecide,
  'campaign.close': campaignClose,
  'dashboard.show': dashboardShow,
  'report.list': reportList,
  'report.make': reportMake,
  'risk.list': riskList,
  'risk.review': riskReview,
  'risk.settings': riskSettings,
  'risk.set': riskSet,
  'filter.list': filterList,
  'filter.save': filterSave,
  'filter.rename': filterRename,
  'filter.remove': filterRemove,
  'auditor.lists': auditorLists,
  'auditor.append': auditorAppend,
  'auditor.challenge': auditorChallenge,
  'auditor.login': auditorLogin,
  'audit.list': auditList,
  'audit.find': auditFind,
  'audit.prove': auditProve,
  'audit.reindex': auditReindex,
  'audit.checkpoint': auditCheckpoint,
  'audit.verify': auditVerify,
  'audit.export': auditExport,
  'backup.drilled': backupDrilled,
  'backup.page': backupPage,
  'backup.tables': backupTablesVerb,
  'recorder.hello': recorderHello,
  'recorder.space': recorderSpace,
  'ssh.publickey': sshPublickey,
  'ssh.password': sshPassword,
  'ssh.ticket': sshTicket,
  'ssh.factor': sshFactor,
  'session.open': sessionOpen,
  'session.start': sessionStart,
  'session.sign': sessionSign,
  'session.elevate': sessionElevate,
  'session.type-in': sessionTypeIn,
  'session.files': sessionFiles,
  'session.files-login': sessionFilesLogin,
  'session.connected': sessionConnected,
  'session.checkpoint': sessionCheckpoint,
  'session.file': sessionFile,
  'session.clipboard': sessionClipboard,
  'session.event': sessionEvent,
  'session.forwarding': sessionForwarding,
  'session.forwarded': sessionForwarded,
  'session.end': sessionEnd,
  'recording.authorise': recordingAuthorise,
  'recording.searchable': recordingSearchable,
}
