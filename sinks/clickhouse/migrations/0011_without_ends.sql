-- Where the source topics ended was kept to name what a broker that forgets took with it. Nothing reads it any more.
DROP TABLE IF EXISTS ends;
