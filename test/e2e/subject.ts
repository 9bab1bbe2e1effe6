/**
 * The broker that tests of answers ask: Shoal's, or Apache Kafka with SHOAL_SUBJECT=kafka.
 *
 * What these tests expect is what Kafka answers; running them against Kafka is how that stays true. What only Shoal promises
 * is asserted only of Shoal (`isKafka`).
 */

import { ApacheKafka } from '../real/apache-kafka.ts'
import { ShoalProcess } from '../real/shoal.ts'

export const isKafka: boolean = process.env['SHOAL_SUBJECT'] === 'kafka'

export interface Subject extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  /** What it has written to stderr; empty for Kafka. */
  readonly log: string
}

export async function startSubject(
  settings: Readonly<Record<string, string>> = {},
): Promise<Subject> {
  if (!isKafka) return ShoalProcess.start({ settings })
  const kafka = await ApacheKafka.start({ properties: settings })
  return {
    port: kafka.port,
    pid: kafka.pid ?? -1,
    log: '',
    [Symbol.asyncDispose]: () => kafka.stop(),
  }
}
