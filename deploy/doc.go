// Package deploy holds no code: the folder is what runs the worker elsewhere (image, Redis
// configuration, settings), and the tests here keep its promises true. It may import
// internal/config and internal/testredis, in tests.
package deploy
