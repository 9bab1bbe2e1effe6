/** The HTTP API: route table, server over it, OpenAPI document, typed client. */

export {
  apiClient,
  type ApiClient,
  type ApiClientOptions,
  type CallOptions,
  type FetchPort,
  type ReceivedProblem,
  type Reply,
} from './client.ts'
export { apiLimitDefaults, type ApiLimits, ApiServer, type ApiServerOptions } from './api-server.ts'
export type { Answer, ApiRequest, ServedApi, TakeBytes } from './exchange.ts'
export type { GuardOptions } from './guard.ts'
export { nearest } from './nearest.ts'
export { HttpListener, httpLimitDefaults, LazyApi, type HttpLimits } from './listener/index.ts'
export { type DocumentInfo, openApiDocument } from './openapi.ts'
export {
  bodyProblems,
  commonProblems,
  type FieldProblem,
  Problem,
  problem,
  type ProblemCode,
  problemTable,
} from './problems.ts'
export type {
  AnswerOf,
  Caller,
  CallOf,
  Example,
  Handler,
  Handlers,
  ReplyOf,
  RequestOf,
  Route,
  RouteTable,
} from './route.ts'
export { route } from './route.ts'
export { planOffsetReset, type ProposedReset, type ResetPort } from './reset-offsets.ts'
export { type BrokerRoutes, brokerRoutes } from './routes.ts'
export { LAST_TIME_MS } from './routes-messages.ts'
