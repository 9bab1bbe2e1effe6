/** What the handlers of the HTTP API share: the broker's services, and what its operations say of the process. */

import type { BrokerContext } from '../context.ts'

export interface HttpContext {
  readonly context: BrokerContext
  /** Monotonic time at which the broker opened. */
  readonly startedMs: number
  /** Whether the broker stopped because it could not go on. */
  readonly hasFailed: () => boolean
  /** Where the API listens, as the OpenAPI document says it. */
  readonly url: () => string
}
