/**
 * Seeds 003 and 004. Their suites wait side by side: each has rows that wait for most of a minute.
 */

import { describe } from 'node:test'
import { commitRows } from './seed-003-commits.ts'
import { consumerRows } from './seed-003-consumer.ts'
import { printedRows } from './seed-003-printed.ts'
import { serviceRows } from './seed-004.ts'
import { seedSuite } from './stage.ts'

describe('seeds 003 and 004', seedSuite, () => {
  describe('seed 003, the complete poll loop', seedSuite, printedRows)
  describe('seed 003, the consumer and its group', seedSuite, consumerRows)
  describe('seed 003, commits', seedSuite, commitRows)
  describe('seed 004, the service', seedSuite, serviceRows)
})
