package codecs
