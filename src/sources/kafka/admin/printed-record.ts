/** A record with the place it was read from. */

import type { SourceRecord } from '../../../consumer/index.ts'

export interface PrintedRecord extends SourceRecord {
  readonly topic: string
  readonly partition: number
}
