/**
 * The test kit: `import { TestBroker, crashLedger, waitFor } from 'shoal/testing'`.
 */

export { VirtualClock, type VirtualClockOptions } from '../core/index.ts'
export type { CrashModel } from '../log/index.ts'
export { TestBroker } from './broker/test-broker.ts'
export type { CrashOptions, TestBrokerOptions, TestRecord } from './broker/test-broker.ts'
export { passTime } from './broker/world.ts'
export { crashLedger } from './ledger/crash-ledger.ts'
export type {
  CrashLedgerOptions,
  CrashReport,
  LedgerJob,
  LedgerProgress,
  RunModule,
} from './ledger/crash-ledger.ts'
export { LedgerJudge } from './ledger/judge.ts'
export type { ExpectedRecord, Verdict } from './ledger/judge.ts'
export { LedgerRun } from './ledger/ledger-run.ts'
export type { LedgerRunOptions } from './ledger/ledger-run.ts'
export type { LedgerPlace, Sharing } from './ledger/ledger-broker.ts'
export type { LedgerEntry } from './ledger/lines.ts'
export type { LedgerRecord } from './ledger/worker-book.ts'
export { waitFor } from './wait-for.ts'
export type { WaitForOptions } from './wait-for.ts'
