/**
 * How long a KIP-848 group waits for a member that says nothing: the broker's setting, the group's own where it has one.
 */

import { describeConfigs } from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import type { KafkaClient } from '../kafka-client.ts'

const GROUP_RESOURCE = 32
const SETTING = 'consumer.session.timeout.ms'

/** Milliseconds. @throws ShoalError SHOAL_REQUEST_FAILED when the broker does not say it, or not to us */
export async function sessionTimeoutAt(client: KafkaClient, group: string): Promise<number> {
  const { response } = await client.request(
    describeConfigs,
    {
      resources: [
        { resourceType: GROUP_RESOURCE, resourceName: group, configurationKeys: [SETTING] },
      ],
      includeSynonyms: false,
      includeDocumentation: false,
    },
    { to: 'any' },
  )
  const [result] = response.results
  const error = result?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
  if (error !== 'NONE') throw refusal(describeConfigs.name, error, { group })
  const ms = Number(result?.configs.find(({ name }) => name === SETTING)?.value ?? 'none')
  if (!Number.isFinite(ms) || ms <= 0)
    throw refusal(describeConfigs.name, 'INVALID_CONFIG', { group })
  return ms
}
