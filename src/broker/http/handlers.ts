/**
 * The broker's handlers, one for each operation of `brokerRoutes`: an area a file, put together here.
 *
 * A handler decides nothing that a service could decide; it translates between JSON and the services of `BrokerContext`.
 */

import type { BrokerRoutes, Handlers } from '../../http/index.ts'
import { deliveryHandlers } from './delivery-handlers.ts'
import { groupHandlers } from './group-handlers.ts'
import { historyHandlers } from './history-handlers.ts'
import type { HttpContext } from './http-context.ts'
import { memberHandlers } from './member-handlers.ts'
import { messageHandlers } from './message-handlers.ts'
import { offsetHandlers } from './offset-handlers.ts'
import { pauseHandlers } from './pause-handlers.ts'
import { opsHandlers } from './ops-handlers.ts'
import { pollHandlers } from './poll-handler.ts'
import { resetHandlers } from './reset-handlers.ts'
import { topicHandlers } from './topic-handlers.ts'

export function httpHandlers(http: HttpContext): Handlers<BrokerRoutes> {
  return {
    ...historyHandlers(http),
    ...opsHandlers(http),
    ...pauseHandlers(http),
    ...topicHandlers(http),
    ...messageHandlers(http),
    ...deliveryHandlers(http),
    ...memberHandlers(http),
    ...pollHandlers(http),
    ...groupHandlers(http),
    ...offsetHandlers(http),
    ...resetHandlers(http),
  }
}
