// Package docs holds no code: the folder is the documentation, and the tests here compare it, and the
// documents at the repository's root, with the code. They may import anything.
package docs
