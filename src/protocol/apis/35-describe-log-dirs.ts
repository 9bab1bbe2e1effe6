/**
 * DescribeLogDirs (key 35), v1-4 · v2 flexible · v3 top-level error · v4 total and usable bytes (KIP-827).
 */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  int64,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 4],
  flexibleSince: 2,
  request: {
    topics: nullable(array({ topic: string(), partitions: array(int32()) })),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode().since(3, 'NONE'),
    results: array({
      errorCode: errorCode(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64().since(4, -1),
      usableBytes: int64().since(4, -1),
    }),
  },
})

export type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>
export type DescribeLogDirsResponse = ResponseOf<typeof describeLogDirs>
