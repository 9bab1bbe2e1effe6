/**
 * What a client may do, as Kafka counts it: one bit an operation, everything that makes sense for the kind of resource.
 *
 * There are no access rules yet, so everybody may do everything.
 */

import { NO_OPERATIONS } from '../../../protocol/index.ts'

const Operation = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const

const { read, write, create, alter, describe, clusterAction, idempotentWrite } = Operation
const { delete: remove, describeConfigs, alterConfigs } = Operation

const allowed = {
  topic: bits([read, write, create, remove, alter, describe, describeConfigs, alterConfigs]),
  group: bits([read, remove, describe, describeConfigs, alterConfigs]),
  cluster: bits([
    create,
    alter,
    describe,
    clusterAction,
    describeConfigs,
    alterConfigs,
    idempotentWrite,
  ]),
} as const

export function authorizedOperations(kind: keyof typeof allowed, asked: boolean): number {
  return asked ? allowed[kind] : NO_OPERATIONS
}

function bits(operations: readonly number[]): number {
  return operations.reduce((sum, operation) => sum | (1 << operation), 0)
}
