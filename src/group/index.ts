export * from './assignor/index.ts'
export {
  GroupCoordinator,
  type GroupCoordinatorOptions,
  type GroupDecision,
} from './coordinator.ts'
export type * from './messages.ts'
export type * from './queries.ts'
export type * from './records.ts'
export { decodeGroupRecord, encodeGroupRecord } from './record-codec.ts'
