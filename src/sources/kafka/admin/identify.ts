/** Whose brokers these are: Shoal's say more than Kafka's protocol has words for, over HTTP. */

import { describeConfigs } from '../../../protocol/index.ts'
import { KafkaClient, type KafkaClientOptions } from '../kafka-client.ts'
import type { KafkaPorts } from '../options.ts'

export interface ClusterIdentity {
  /** Null where the broker is too old to tell. */
  readonly clusterId: string | null
  readonly product: 'shoal' | 'kafka'
}

const BROKER_RESOURCE = 4
/** A setting that Shoal's broker always has, and no other. */
const SHOALS_OWN = 'shoal.flush.policy'

/** @throws ShoalError SHOAL_BROKER_UNREACHABLE */
export async function identifyCluster(
  options: KafkaClientOptions,
  ports: KafkaPorts = {},
): Promise<ClusterIdentity> {
  const client = await KafkaClient.open(options, ports)
  try {
    const { clusterId, brokers } = client.cluster
    const [node] = brokers.keys()
    const { response } = await client.request(
      describeConfigs,
      {
        resources: [
          {
            resourceType: BROKER_RESOURCE,
            resourceName: String(node ?? ''),
            configurationKeys: [SHOALS_OWN],
          },
        ],
        includeSynonyms: false,
        includeDocumentation: false,
      },
      { to: 'any' },
    )
    const isShoal = response.results.some(({ configs }) =>
      configs.some(({ name }) => name === SHOALS_OWN),
    )
    return { clusterId, product: isShoal ? 'shoal' : 'kafka' }
  } finally {
    await client.close()
  }
}
