#!/usr/bin/env python3
"""The seed study's own tool: its network in Keras on TensorFlow.

Throughput on random images: train_keras.py. A whole experiment on fer2013.csv, with the study's split, early stopping, plateau and
restored weights: train_keras.py --csv fer2013.csv --config experiment.json.
"""
import argparse
import json
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402


def seed_cnn(learning_rate: float) -> keras.Model:
    model = keras.Sequential([
        layers.Input((48, 48, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.BatchNormalization(),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.BatchNormalization(),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5), layers.Dense(7, activation="softmax")])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def throughput() -> None:
    random = np.random.default_rng(0)
    images = (random.integers(0, 256, (12800, 48, 48, 1)) / 255.0).astype("float32")
    labels = keras.utils.to_categorical(random.integers(0, 7, 12800), 7)
    model = seed_cnn(1e-3)
    model.fit(images[:2560], labels[:2560], batch_size=128, verbose=0)
    start = time.perf_counter()
    model.fit(images, labels, batch_size=128, verbose=0)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"images_per_second={len(images) / seconds:.0f} peak_mib={peak}")


def experiment(csv: str, config: dict) -> None:
    import pandas

    table = pandas.read_csv(csv)
    images = np.stack([np.array(row.split(), dtype="uint8").reshape(48, 48, 1) for row in table.pixels]).astype("float32") / 255
    labels = keras.utils.to_categorical(table.emotion, 7)
    train = len(images) * 7 // 10
    test = len(images) // 10
    middle = len(images) - test
    model = seed_cnn(config["learning_rate"])
    callbacks = [
        keras.callbacks.EarlyStopping(patience=config["early_stopping_patience"], restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(patience=config["lr_patience"], factor=config["lr_reduction_factor"])]
    history = model.fit(images[:train], labels[:train], validation_data=(images[train:middle], labels[train:middle]),
                        batch_size=config["batch_size"], epochs=config["epochs"], callbacks=callbacks, verbose=0)
    loss, accuracy = model.evaluate(images[middle:], labels[middle:], batch_size=config["batch_size"], verbose=0)
    print(json.dumps({"epochs": len(history.history["loss"]), "test_accuracy": accuracy, "test_loss": loss}))


parser = argparse.ArgumentParser()
parser.add_argument("--csv")
parser.add_argument("--config")
options = parser.parse_args()
if options.csv:
    with open(options.config) as file:
        experiment(options.csv, json.load(file))
else:
    throughput()
